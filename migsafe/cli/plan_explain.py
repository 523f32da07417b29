"""`migsafe plan --explain`: the stages of a plan as a table of at most 100 columns."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.output import write_report

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog
    from migsafe.plan.model import Plan
    from migsafe.plan.report.stage_table import StageRow

_COLUMNS = (
    ("stage", 10),
    ("schema", 20),
    ("may run", 7),
    ("reads", 13),
    ("writes", 14),
    ("locks", 16),
    ("rollback", 14),
)


def explain_plan(plan: "Plan", catalog: "Catalog | None", output_format: OutputFormat) -> None:
    """Shows what is there in each stage, and who may use it."""
    from migsafe.plan.report.stage_table import stage_rows

    rows = stage_rows(plan, catalog)
    if output_format is OutputFormat.JSON:
        stages = [{**asdict(row), "stage": row.stage.value} for row in rows]
        print_json({"format_version": 1, "name": plan.name, "summary": plan.summary, "stages": stages})
        return
    write_report("\n".join((plan.name, plan.summary, "", *_table(rows), *_after(plan))) + "\n")


def _table(rows: "Sequence[StageRow]") -> Iterator[str]:
    rule = "-".join("-" * width for _, width in _COLUMNS)
    yield _line([name for name, _ in _COLUMNS])
    for row in rows:
        yield rule
        cells = [
            (row.stage.value,),
            row.schema,
            row.may_run,
            row.reads,
            row.writes,
            row.locks,
            (row.rollback,),
        ]
        wrapped = [
            [line for text in cell for line in wrap(text, width, subsequent_indent=" ")]
            for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
        ]
        for number in range(max(len(lines) for lines in wrapped)):
            yield _line([lines[number] if number < len(lines) else "" for lines in wrapped])


def _line(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:<{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True)).rstrip()


def _after(plan: "Plan") -> Iterator[str]:
    if plan.warnings:
        yield ""
        yield "Know before you start:"
        for warning in plan.warnings:
            yield from wrap(warning, 100, initial_indent="  - ", subsequent_indent="    ")
