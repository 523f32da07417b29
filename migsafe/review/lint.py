"""What the linter says of a plan's own steps, each where it stands: as the runner will run it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

from migsafe.catalog.model import Catalog
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintedFile, LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.plan.model import BackfillStep, DdlStep, Plan, Step
from migsafe.plan.rehearsal import statements_of
from migsafe.plan.stages import Phase, Stage
from migsafe.sources.model import PLAN, Origin, Source

# The runner gives all locks and statements of an attempt less than a second, and a patient step's locks too.
# https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
_LOCKS = ("lock_timeout", "800ms")
_WORK = ("statement_timeout", "800ms")
_PHASES = {
    Phase.EXPAND: "expand",
    Phase.BACKFILL: "backfill",
    Phase.VERIFY: "expand",
    Phase.CONTRACT: "contract",
}

# Where the statements of a step stand in a file; their offsets are those in the text that is linted.
Origins = Callable[[Step, str], tuple[Origin, ...]]


def lint_plan(
    plan: Plan,
    catalog: Catalog,
    *,
    path: str,
    shown: str = "",
    origins: Origins | None = None,
    options: LintOptions | None = None,
) -> LintReport:
    """The findings in all steps, each judged on the schema that the ones before it leave.

    `catalog` is the schema before the first step. `shown` is the text of the plan file at `path`, in which
    `origins` says where a step's statements stand. `options` hold a configuration, if there is one.
    """
    sources = [source_of(step, path=path, shown=shown, origins=origins) for step in plan.steps]
    given = options or LintOptions()
    version = plan.server_version or given.server_version or catalog.server_version
    found = linter().lint(sources, replace(given, catalog=catalog, server_version=version))
    whole = LintedFile(
        path=path,
        text=shown,
        statements=sum(file.statements for file in found.files),
        unread=sum(file.unread for file in found.files),
        findings=tuple(finding for file in found.files for finding in file.findings),
        suppressed=tuple(finding for file in found.files for finding in file.suppressed),
    )
    return LintReport(files=(whole,))


@cache
def linter() -> Linter:
    """All rules that are shipped."""
    return Linter(shipped_rules())


def source_of(step: Step, *, path: str, shown: str = "", origins: Origins | None = None) -> Source:
    """A step as a script that a tool runs: with its transaction, its timeouts and its phase."""
    text = "".join(f"{statement};\n" for statement in statements_of(step))
    return Source(
        path=path,
        text=text,
        in_transaction=isinstance(step, DdlStep | BackfillStep),
        settings=tuple(_settings(step)),
        phase=_phase(step.stage),
        shown=shown,
        origins=origins(step, text) if origins else (),
        tool=PLAN,
    )


def _settings(step: Step) -> Iterable[tuple[str, str]]:
    yield _LOCKS
    if isinstance(step, DdlStep) and not step.patient:
        yield _WORK


def _phase(stage: Stage) -> str:
    return _PHASES[stage.phase] if stage.phase else ""
