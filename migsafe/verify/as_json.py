"""Verdicts for programs: the stable JSON of `migsafe verify`, format version 1."""

import json
from typing import Any

from migsafe.explain.as_json import effects
from migsafe.lint.places import Places
from migsafe.verify.run import Verdict
from migsafe.verify.scripts import Verification, VerifiedFile

FORMAT_VERSION = 1


def render(report: Verification, *, color: bool = False) -> str:
    """The verdicts as JSON. Fields may be added within a format version, never removed or changed."""
    del color
    document = {
        "format_version": FORMAT_VERSION,
        "server": report.server,
        "summary": {
            "files": len(report.files),
            "statements": len(report.verdicts),
            "differing": report.differing,
            "not_judged": report.not_judged,
        },
        "files": [_file(file) for file in report.files],
    }
    return json.dumps(document, indent=2) + "\n"


def _file(file: VerifiedFile) -> dict[str, Any]:
    places = file.places
    return {
        "path": file.path,
        "problem": file.problem,
        "not_run": file.not_run,
        "statements": [_verdict(verdict, places) for verdict in file.verdicts],
    }


def _verdict(verdict: Verdict, places: Places) -> dict[str, Any]:
    statement, seen = verdict.predicted.statement, verdict.observed
    return {
        "line": places.place(statement.start, statement.end).start.line,
        "sql": statement.text,
        "predicted": effects(verdict.predicted),
        "observed": {
            "locks": [{"relation": str(lock.relation), "mode": lock.mode.label} for lock in seen.locks],
            "rewrites": [str(name) for name in seen.rewrites],
            "scans": [str(name) for name in seen.scans],
            "blocks": seen.blocks.value,
            "builds_index": seen.builds_index,
            "needs_no_transaction": seen.needs_no_transaction,
            "seconds": round(seen.seconds, 6),
            "error": seen.error,
            "sqlstate": seen.sqlstate,
        },
        "differences": list(verdict.differences),
    }
