"""`migsafe plan --check`: what is wrong with a plan that may have been edited."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.output import wants_color, write_report

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog
    from migsafe.review.model import Problem, Review


def check_plan(path: Path, catalog: "Catalog | None", output_format: OutputFormat) -> int:
    """Shows the review of a plan file; 1 when something in it has to be put right.

    Raises:
        UsageError: The file cannot be read.
        PlanError: It is not a plan: which key, and where.
    """
    from migsafe.plan.toml.file import read_text
    from migsafe.review.check import review_plan

    review = review_plan(read_text(path), file=str(path), catalog=catalog)
    if output_format is OutputFormat.JSON:
        print_json(_document(review))
    else:
        write_report("\n".join(_lines(review)) + "\n")
    return int(not review.is_clean)


def _lines(review: "Review") -> Iterator[str]:
    for problem in review.problems:
        yield f"{_where(review, problem)}: error: {_said(problem)}"
    for note in review.notes:
        yield f"{_where(review, note)}: note: {_said(note)}"
    if review.lint is not None and review.lint.findings:
        from migsafe.lint.reports import View, render

        yield render(review.lint, "text", View(color=wants_color())).rstrip("\n")
    if review.lint is None:
        yield (
            "The steps were not tried on a schema: give --database URL or --schema FILE.sql for that, and to "
            "have them linted."
        )
    if review.is_clean:
        steps = len(review.plan.steps)
        yield f"{review.path}: {steps} {'step' if steps == 1 else 'steps'}, nothing to put right."


def _where(review: "Review", problem: "Problem") -> str:
    return review.path if problem.line is None else f"{review.path}:{problem.line}"


def _said(problem: "Problem") -> str:
    step = f"[{problem.step}] " if problem.step else ""
    advice = f"\n    {problem.advice}" if problem.advice else ""
    return f"{step}{problem.text}{advice}"


def _document(review: "Review") -> dict[str, Any]:
    from migsafe.lint.reports import render
    from migsafe.plan.toml.file import fingerprint

    lint = None if review.lint is None else json.loads(render(review.lint, "json"))
    return {
        "format_version": 1,
        "path": review.path,
        "fingerprint": fingerprint(review.plan),
        "clean": review.is_clean,
        "problems": [_entry(problem) for problem in review.problems],
        "notes": [_entry(note) for note in review.notes],
        "lint": lint,
    }


def _entry(problem: "Problem") -> dict[str, Any]:
    return {
        "line": problem.line,
        "step": problem.step or None,
        "message": problem.text,
        "advice": problem.advice,
    }
