"""How a fleet is shown: lines of a run with the database's name, tables, and JSON documents."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from migsafe.cli.render import duration
from migsafe.fleet.model import Application, listed
from migsafe.fleet.outcome import Outcome, Report, Result
from migsafe.fleet.together import allowed, common
from migsafe.plan.stages import Stage, Version
from migsafe.plan.toml.file import fingerprint
from migsafe.run.order import stages_of, up_to

if TYPE_CHECKING:
    from migsafe.fleet.act import Acted
    from migsafe.fleet.check import Checked
    from migsafe.fleet.model import Database
    from migsafe.fleet.reading import Reading
    from migsafe.plan.model import Plan

FORMAT_VERSION = 1
_SHORT = 12
_COLUMNS = ("database", "stage", "state", "step", "rows", "rows/s", "ETA", "last error")
_NUMBERS = ("rows", "rows/s", "ETA")


class Lines:
    """Writes whole lines, from several threads, with the time since the beginning and the database's name."""

    def __init__(self, stream: TextIO, databases: "Sequence[Database]", *, known: Iterable[str] = ()) -> None:
        self._stream, self._lock, self._began = stream, threading.Lock(), time.monotonic()
        self._known = frozenset(known)  # what the fleet has said once need not come from each database
        self._width = max((len(each.name) for each in databases), default=0)

    def database(self, name: str, text: str) -> None:
        """What a database's run says."""
        if text in self._known:
            return
        self._write(f"[{duration(time.monotonic() - self._began):>9}] {name:<{self._width}} | {text.strip()}")

    def fleet(self, text: str) -> None:
        """What concerns all of them."""
        self._write(text)

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


def check_lines(
    plan: "Plan", found: "Sequence[Checked]", waves: Sequence[Sequence[str]], target: Stage
) -> Iterator[str]:
    """What was found before the beginning."""
    there = [each.name for each in found if each.is_at(target)]
    yield f"{plan.name}: {plan.summary}"
    yield f"{len(found)} databases, {len(there)} of them are in stage '{target}' or later already"
    for number, wave in enumerate(waves, 1):
        yield f"  wave {number}: {listed(wave)}" + (" (canary)" if number == 1 else "")
    if any(not each.reading.begun for each in found):
        yield from (f"warning: {warning}" for warning in plan.warnings)
    notes = Counter(note for each in found for note in each.notes)
    for note, count in notes.items():
        yield f"warning: {note}" + (f" (in {count} databases)" if count < len(found) else "")
    for each in found:
        if each.problem:
            yield f"{each.name}: {each.problem}"
            yield from (f"  {line}" for line in each.advice.splitlines())


def check_document(
    plan: "Plan", found: "Sequence[Checked]", waves: Sequence[Sequence[str]], target: Stage
) -> dict[str, Any]:
    """The same for machines: what a job engine needs to go through the fleet by itself."""
    return {
        "format_version": FORMAT_VERSION,
        "rollout": plan.name,
        "plan": fingerprint(plan),
        "target": target.value,
        "ok": not any(each.problem for each in found),
        "waves": [list(wave) for wave in waves],
        "databases": [
            {
                "database": each.name,
                "stage": None if each.reading.problem else each.reading.stage.value,
                "state": each.reading.state,
                "there": each.is_at(target),
                "error": each.problem or None,
                "advice": each.advice,
                "notes": list(each.notes),
            }
            for each in found
        ],
    }


def report_lines(plan: "Plan", report: Report, target: Stage, *, command: str) -> Iterator[str]:
    """How a way through the fleet ended: what is done, what failed and what to do, what was not begun."""
    done = report.of(Result.DONE, Result.WAS_DONE)
    before = len(report.of(Result.WAS_DONE))
    more = f", {before} of them were before" if before else ""
    yield ""
    yield f"done       {len(done)} of {len(report.outcomes)} in stage '{target}'{more}"
    for result, word in (
        (Result.FAILED, "failed"),
        (Result.STOPPED, "stopped"),
        (Result.NOT_BEGUN, "not begun"),
    ):
        found = report.of(result)
        if found:
            yield f"{word:<10} {len(found)}: {listed(each.name for each in found)}"
        yield from (line for each in found if each.error for line in _trouble(each))
    yield f"{report.stopped_by or 'it went through to the end'}, after {duration(report.seconds)}"
    if not report.ok:
        yield f"next: `migsafe fleet {command}` again goes on with what is left"
    elif target is up_to(plan, Stage.VERIFIED) and target is not stages_of(plan)[-1]:
        if plan.application_change:
            yield (
                "next: when all databases are there, deploy the new version; when the old one is gone: "
                "`migsafe fleet contract --old-version-gone`"
            )
        else:
            yield "next: when nobody misses the old shape: `migsafe fleet contract`"


def report_document(plan: "Plan", report: Report, target: Stage) -> dict[str, Any]:
    """The same for machines."""
    return {
        "format_version": FORMAT_VERSION,
        "rollout": plan.name,
        "target": target.value,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "stopped_by": report.stopped_by or None,
        "seconds": report.seconds,
        "summary": dict(Counter(each.result.value for each in report.outcomes)),
        "waves": [list(wave) for wave in report.waves],
        "databases": [
            {
                "database": each.name,
                "result": each.result.value,
                "wave": each.wave,
                "stage": each.stage.value if each.stage else None,
                "state": each.state or None,
                "error": each.error or None,
                "advice": each.advice,
                "rows": each.rows,
                "seconds": each.seconds,
            }
            for each in report.outcomes
        ],
    }


def status_document(plan: "Plan", readings: "Sequence[Reading]", application: Application) -> dict[str, Any]:
    """Where all of them stand. `versions_allowed`: which version works on every one of these databases."""
    mark = fingerprint(plan)
    known = all(not each.problem for each in readings)
    versions = allowed(plan, [each.stage for each in readings]) if known else ()
    return {
        "format_version": FORMAT_VERSION,
        "rollout": plan.name,
        "summary": plan.summary,
        "plan": mark,
        "application": application.value,
        "stages": dict(common(readings)),
        "versions_allowed": [version.value for version in versions],
        "databases": [_database(each, mark) for each in readings],
    }


def status_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """One table, and below it what may be done."""
    rows = [_COLUMNS, *(_row(each) for each in document["databases"])]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    yield f"{document['rollout']}: {document['summary']}"
    for row in rows:
        cells = (
            f"{cell:>{width}}" if name in _NUMBERS else f"{cell:<{width}}"
            for cell, width, name in zip(row, widths, _COLUMNS, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield ", ".join(f"{count} {stage}" for stage, count in document["stages"].items())
    yield _versions(document)


def acted_lines(command: str, acted: "Sequence[Acted]") -> Iterator[str]:
    """What became of a command in each database."""
    width = max((len(each.name) for each in acted), default=0)
    for each in acted:
        if each.error:
            text = f"did not {command}: {each.error}"
        elif each.skipped:
            text = f"left alone: {each.skipped}"
        else:
            text = f"{each.state}, stage '{each.stage}'" if each.state else "done"
        yield f"{each.name:<{width}}  {text}"
        yield from (f"{'':<{width}}  {line}" for line in each.advice.splitlines())
    done = sum(1 for each in acted if each.ok and not each.skipped)
    left, failed = sum(1 for each in acted if each.skipped), sum(1 for each in acted if not each.ok)
    yield f"{command}: {done} done, {left} left alone, {failed} failed"


def acted_document(command: str, rollout: str, acted: "Sequence[Acted]") -> dict[str, Any]:
    """The same for machines."""
    return {
        "format_version": FORMAT_VERSION,
        "rollout": rollout,
        "command": command,
        "ok": all(each.ok for each in acted),
        "databases": [
            {
                "database": each.name,
                "ok": each.ok,
                "skipped": each.skipped or None,
                "stage": each.stage or None,
                "state": each.state or None,
                "error": each.error or None,
                "advice": each.advice,
            }
            for each in acted
        ],
    }


def _trouble(outcome: Outcome) -> Iterator[str]:
    yield f"  {outcome.name}: {outcome.error}"
    yield from (f"    {line}" for line in outcome.advice.splitlines())


def _database(reading: "Reading", mark: str) -> dict[str, Any]:
    work = reading.work
    return {
        "database": reading.name,
        "stage": None if reading.problem else reading.stage.value,
        "state": "unreachable" if reading.problem else reading.state.value if reading.state else "not begun",
        "request": reading.request.value if reading.request else None,
        "holder": reading.holder,
        "plan": reading.fingerprint if reading.begun else None,
        "plan_differs": reading.begun and reading.fingerprint != mark,
        "step": work.title if work else None,
        "step_state": work.state.value if work else None,
        "rows": work.rows if work else None,
        "rows_total": work.rows_total if work else None,
        "percent": work.percent if work else None,
        "rows_per_second": work.rows_per_second if work else None,
        "eta_seconds": work.eta_seconds if work else None,
        "error": reading.problem or reading.error,
        "updated_at": reading.updated_at.isoformat() if reading.updated_at else None,
    }


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    other = f" (other plan {each['plan'][:_SHORT]})" if each["plan_differs"] else ""
    rate, eta = each["rows_per_second"], each["eta_seconds"]
    return (
        each["database"],
        (each["stage"] or "?") + other,
        each["state"],
        each["step"] or "",
        _rows(each),
        f"{rate:,.0f}" if rate else "",
        duration(eta) if eta is not None else "",
        (each["error"] or "").replace("\n", " "),
    )


def _rows(each: Mapping[str, Any]) -> str:
    if each["rows"] is None or (not each["rows"] and each["percent"] is None):
        return ""
    total = f"/{each['rows_total']:,}" if each["rows_total"] is not None else ""
    percent = f" ({each['percent']:.0f} %)" if each["percent"] is not None else ""
    return f"{each['rows']:,}{total}{percent}"


def _versions(document: Mapping[str, Any]) -> str:
    if "unreachable" in document["stages"]:
        return "which version may run: unknown, while databases cannot be reached"
    if document["application"] == Application.EACH.value:
        return "each database has an application of its own"
    words = {Version.BLUE.value: "the old version", Version.GREEN.value: "the new version"}
    may = [words[version] for version in document["versions_allowed"]]
    if not may:
        return "no version of the application works on all of these databases"
    return f"on all of these databases works: {' and '.join(may)}"
