"""From sources to repaired sources: the context that each script is judged and fixed in."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from migsafe.catalog.history import replay
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.fix.engine import Fixed, Fixer, Judge
from migsafe.lint.fix.scene import Before, FixSettings, populated_after
from migsafe.lint.model import LintReport, Rule
from migsafe.sources.model import Source
from migsafe.sql.script import read_script


def fix_sources(
    sources: Iterable[Source],
    *,
    rules: Iterable[Rule],
    options: LintOptions,
    choices: FixSettings | None = None,
) -> tuple[Fixed, ...]:
    """Every judged script after its fixes; nothing is written."""
    return tuple(
        fixer.fix(source) for source, fixer in _in_context(tuple(sources), tuple(rules), options, choices)
    )


def with_fixes(
    report: LintReport,
    sources: Iterable[Source],
    *,
    rules: Iterable[Rule],
    options: LintOptions,
    choices: FixSettings | None = None,
) -> LintReport:
    """The same report with a fix, or the reason why there is none, in every finding that may have one."""
    files = {file.path: file for file in report.files}
    for source, fixer in _in_context(tuple(sources), tuple(rules), options, choices):
        file = files.get(source.path)
        if file and file.findings:
            files[source.path] = replace(file, findings=fixer.offer(source, file.findings))
    return replace(report, files=tuple(files[file.path] for file in report.files))


def _in_context(
    sources: tuple[Source, ...],
    rules: tuple[Rule, ...],
    options: LintOptions,
    choices: FixSettings | None,
) -> Iterator[tuple[Source, Fixer]]:
    linter = Linter(rules)
    fixers = {rule.name: rule.fix for rule in rules if rule.fix}
    before = Before(
        catalog=options.catalog,
        server_version=options.server_version,
        settings=options.settings,
        choices=choices or FixSettings(),
    )
    for source in sources:
        if options.config.excludes(source.path):
            continue
        context = linter.context(source, options)
        before = replace(before, wrapped=context.wrapped, server_version=context.server_version)
        here = replace(options, catalog=before.catalog)
        if source.judged:
            yield source, Fixer(fixers=fixers, judge=_judge(linter, here), before=before)
        if not source.problem:
            populated = populated_after(source, before)
            catalog = replay([(source.path, read_script(source.text))], before.catalog)
            before = replace(before, catalog=catalog, populated=populated)


def _judge(linter: Linter, options: LintOptions) -> Judge:
    return lambda source: linter.lint([source], options).files[0]
