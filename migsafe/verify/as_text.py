"""Verdicts for people: what each statement did, how long it took, and where the prediction was wrong."""

from collections.abc import Iterator

from migsafe.lint.frame import printable
from migsafe.verify.run import Verdict
from migsafe.verify.scripts import Verification, VerifiedFile

WIDTH = 100
_BOLD, _RED, _GREEN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


def render(report: Verification, *, color: bool = False) -> str:
    """The verdicts as text."""
    lines = [line for file in report.files for line in _file(file, color=color)]
    ran, differing, not_judged = len(report.verdicts), report.differing, report.not_judged
    parts = [f"{ran - differing} as predicted", f"{differing} otherwise"]
    if not_judged:
        parts.append(f"{not_judged} not judged")
    noun = "statement" if ran == 1 else "statements"
    return "\n".join([*lines, f"{ran} {noun} ran on PostgreSQL {report.server}: {', '.join(parts)}."]) + "\n"


def _file(file: VerifiedFile, *, color: bool) -> Iterator[str]:
    path, places = printable(file.path), file.places
    for verdict in file.verdicts:
        statement = verdict.predicted.statement
        place = f"{path}:{places.place(statement.start, statement.end).start.line}"
        yield f"{_paint(place, _BOLD, color)}: {_one_line(statement.text)}"
        yield from (f"  {title:<9} {printable(text)}" for title, text in _seen(verdict))
        if verdict.differences:
            yield from (
                f"  {_paint('differs', _RED, color)}   {printable(each)}" for each in verdict.differences
            )
        else:
            yield f"  {_paint('as predicted', _GREEN, color)}"
        yield ""
    if file.problem:
        yield f"{path}: {printable(file.problem)}"
        yield ""
    if file.not_run:
        yield f"{path}: {file.not_run} more not run"
        yield ""


def _seen(verdict: Verdict) -> Iterator[tuple[str, str]]:
    seen = verdict.observed
    if seen.error:
        yield "refused", f"{seen.error} ({seen.sqlstate})"
        return
    if seen.locks:
        yield "locks", ", ".join(f"{lock.mode.label} on {lock.relation}" for lock in seen.locks)
    if seen.rewrites:
        yield "rewrites", ", ".join(str(name) for name in seen.rewrites)
    if seen.scans:
        yield "reads", ", ".join(str(name) for name in seen.scans) + " in full"
    if seen.builds_index:
        yield "builds", "an index"
    yield "took", _duration(seen.seconds)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1000:.0f} ms"


def _one_line(sql: str) -> str:
    text = printable(" ".join(sql.split()))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _paint(text: str, code: str, color: bool) -> str:  # noqa: FBT001 -- a fact handed on, not a switch
    return f"{code}{text}{_PLAIN}" if color else text
