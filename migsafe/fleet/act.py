"""One command for several databases at once, whatever becomes of each: pause, set, cancel, revert, undo."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from migsafe.errors import MigsafeError
from migsafe.fleet import halt
from migsafe.fleet.child import Child, Ended, Tell
from migsafe.fleet.reading import Reading

AT_ONCE = 8
NOT_BEGUN = "not begun here"

Skip = Callable[[Reading], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What a command came to in one database; `skipped` says why it was not asked for there."""

    name: str
    ok: bool
    skipped: str = ""
    stage: str = ""
    state: str = ""
    error: str = ""
    advice: str = ""


def act(words: Sequence[str], chosen: Sequence[Reading], tell: Tell, *, skip: Skip) -> tuple[Acted, ...]:
    """Give the command (`words` after `migsafe`) to each database that has the rollout, in their order.

    `skip` says why one needs nothing, or nothing.
    """

    def one(reading: Reading) -> Acted:
        skipped = _why_not(reading, skip)
        if reading.problem or skipped:
            return Acted(
                name=reading.name,
                ok=not reading.problem,
                skipped=skipped,
                stage=reading.stage.value,
                error=reading.problem or "",
                advice=reading.advice,
            )
        return _acted(reading, Child(reading.database, words, tell).run())

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return tuple(pool.map(one, chosen))


def stop_the_fleet(chosen: Sequence[Reading], rollout: str, command: str) -> None:
    """Let whoever goes through this fleet begin nothing more. Databases that cannot be asked are left out."""
    for reading in chosen:
        if reading.state is None or reading.problem:
            continue
        try:
            halt.mark_stop(reading.database, rollout, command)
        except (MigsafeError, psycopg.Error):
            continue


def _why_not(reading: Reading, skip: Skip) -> str:
    if reading.problem:
        return ""
    return NOT_BEGUN if reading.state is None else skip(reading)


def _acted(reading: Reading, ended: Ended) -> Acted:
    document = ended.document or {}
    ok = ended.code == 0
    reason = str(document.get("reason") or "") or ended.error
    return Acted(
        name=reading.name,
        ok=ok,
        stage=str(document.get("stage", reading.stage.value)),
        state=str(document.get("state", "")),
        error="" if ok else reason or f"exit code {ended.code}",
        advice="" if ok else ended.advice,
    )
