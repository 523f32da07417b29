"""Everything that can be known before the first step, asked of every database of a fleet."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg.rows import scalar_row

from migsafe.errors import LedgerMismatch, MigsafeError, RunError
from migsafe.fleet.model import Database
from migsafe.fleet.reading import TIMEOUT_SECONDS, Reading, at_once, read_fleet
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import fingerprint
from migsafe.rollout.session import check_first
from migsafe.run.connect import Conn, connect
from migsafe.run.lost import database_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found about one database: where it stands, what to know, what makes it impossible."""

    reading: Reading
    notes: tuple[str, ...] = ()
    problem: str = ""
    advice: str = ""

    @property
    def name(self) -> str:
        """The database's name."""
        return self.reading.name

    def is_at(self, target: Stage) -> bool:
        """Whether there is nothing to do up to this stage."""
        return not self.problem and self.reading.stage.position >= target.position


def check_fleet(plan: Plan, databases: Sequence[Database], target: Stage) -> tuple[Checked, ...]:
    """Ask all of them, in their order. Nothing is changed."""
    readings = read_fleet(databases, plan.name, plan)
    ready = {each.name: each for each in readings}
    found = at_once(lambda database: _check(plan, ready[database.name], target), databases)
    return _refuse_twins(found)


def _check(plan: Plan, reading: Reading, target: Stage) -> Checked:
    if reading.problem:
        return Checked(reading=reading, problem=reading.problem, advice=reading.advice)
    try:
        _require_same_plan(plan, reading)
        if reading.stage.position >= target.position:
            return Checked(reading=reading)
        _require_nobody(reading)
        _require_privileges(plan, reading.database)
        notes = check_first(plan, reading.database.dsn)
    except MigsafeError as error:
        return Checked(reading=reading, problem=error.message, advice=error.advice)
    return Checked(reading=reading, notes=notes)


def held_elsewhere(reading: Reading, target: Stage) -> Checked:
    """What the reading alone tells: whether somebody else is at work there who would be in the way."""
    try:
        if reading.problem:
            return Checked(reading=reading, problem=reading.problem, advice=reading.advice)
        if reading.stage.position < target.position:
            _require_nobody(reading)
    except MigsafeError as error:
        return Checked(reading=reading, problem=error.message, advice=error.advice)
    return Checked(reading=reading)


def _require_nobody(reading: Reading) -> None:
    if reading.holder:
        raise RunError(
            f"{reading.holder} runs this rollout here",
            advice="Wait until it is done, or stop it with `migsafe fleet pause`; then run this again.",
        )


def _require_same_plan(plan: Plan, reading: Reading) -> None:
    if reading.begun and reading.fingerprint != fingerprint(plan):
        pinned = (reading.fingerprint or "")[:12]
        raise LedgerMismatch(
            f"it was begun with another plan '{plan.name}' ({pinned}, now {fingerprint(plan)[:12]}); it "
            f"stands in stage '{reading.stage}'",
            advice="Use the plan file that it was begun with (migsafe.rollout.plan in that database), or "
            "take it back there with `migsafe fleet revert` first.",
        )


def _require_privileges(plan: Plan, database: Database) -> None:
    query = files("migsafe.fleet").joinpath("privileges.sql").read_bytes()
    names = [subject.sql for subject in plan.subjects]
    with (
        database_errors(database.dsn),
        connect(database.dsn, timeout=TIMEOUT_SECONDS, only_reads=True) as conn,
        conn.cursor(row_factory=scalar_row) as cursor,
    ):
        lacks = cursor.execute(query, {"names": names}).fetchall()
        role = conn.info.user
    if lacks:
        raise RunError(
            f"the role {role} lacks privileges: {'; '.join(lacks)}",
            advice="Give them to it, or use the role that owns the table; then run the same command again.",
        )


def _refuse_twins(found: Sequence[Checked]) -> tuple[Checked, ...]:
    """Two names may still lead to one database, by two names of one host."""
    owners: dict[str, list[str]] = defaultdict(list)
    identities = at_once(_identity, [each.reading.database for each in found if not each.problem])
    for name, identity in identities:
        if identity:
            owners[identity].append(name)
    twins = {name: names for names in owners.values() if len(names) > 1 for name in names}
    return tuple(
        Checked(
            reading=each.reading,
            problem="it is the same database as " + ", ".join(n for n in twins[each.name] if n != each.name),
            advice="Take one of them out of the fleet.",
        )
        if each.name in twins
        else each
        for each in found
    )


def _identity(database: Database) -> tuple[str, str | None]:
    try:
        with connect(database.dsn, timeout=TIMEOUT_SECONDS, only_reads=True) as conn:
            return database.name, _identify(conn)
    except (MigsafeError, psycopg.Error):
        return database.name, None  # it may not be asked, or is gone meanwhile: its run will say so


def _identify(conn: Conn) -> str | None:
    row = conn.execute(
        "SELECT s.system_identifier || '/' || d.oid FROM pg_control_system() s, pg_database d "
        "WHERE d.datname = current_database()"
    ).fetchone()
    return str(row[0]) if row else None
