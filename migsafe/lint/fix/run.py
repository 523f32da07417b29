"""From sources to repaired sources: the context that each script is judged and fixed in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from migsafe.catalog.history import replay
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.fix.engine import Fixed, Fixer, file_text
from migsafe.lint.fix.scene import Before, FixSettings, populated_after
from migsafe.lint.model import LintReport, Rule
from migsafe.sources.model import Source
from migsafe.sources.scripts import run_as
from migsafe.sources.settings import Direction, SourceSettings
from migsafe.sql.script import read_script

Accept = Callable[[LintReport], LintReport]


def fix_sources(
    sources: Iterable[Source],
    *,
    rules: Iterable[Rule],
    options: LintOptions,
    choices: FixSettings | None = None,
    accept: Accept | None = None,
) -> tuple[Fixed, ...]:
    """Every judged script after its fixes; nothing is written.

    `accept` takes out of a report what is not to be repaired: the findings of a baseline.
    """
    context = _in_context(tuple(sources), tuple(rules), options, choices, accept)
    return tuple(fixer.fix(source) for source, fixer in context)


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
    for source, fixer in _in_context(tuple(sources), tuple(rules), options, choices, None):
        file = files.get(source.path)
        if file and file.findings:
            files[source.path] = replace(file, findings=fixer.offer(source, file.findings))
    return replace(report, files=tuple(files[file.path] for file in report.files))


def _in_context(
    sources: tuple[Source, ...],
    rules: tuple[Rule, ...],
    options: LintOptions,
    choices: FixSettings | None,
    accept: Accept | None,
) -> Iterator[tuple[Source, Fixer]]:
    linter = Linter(rules)
    before = Before(
        catalog=options.catalog,
        settings=options.settings,
        choices=choices or FixSettings(),
    )
    for source in sources:
        here = replace(options, catalog=before.catalog)
        if source.judged and not options.config.excludes(source.path):
            yield source, _fixer(linter, here, before, accept or _nothing)
        if not source.problem:
            stand = _stand(linter, here, before)(source)
            catalog = replay([(source.path, read_script(source.text))], before.catalog)
            before = replace(before, catalog=catalog, populated=populated_after(source, stand))


def _fixer(linter: Linter, options: LintOptions, before: Before, accept: Accept) -> Fixer:
    return Fixer(
        fixers={rule.name: rule.fix for rule in linter.rules if rule.fix},
        judge=lambda source: accept(linter.lint([source], options)).files[0],
        stand=_stand(linter, options, before),
        reread=reread,
    )


def _stand(linter: Linter, options: LintOptions, before: Before) -> Callable[[Source], Before]:
    def stand(source: Source) -> Before:
        context = linter.context(source, options)
        return replace(before, wrapped=context.wrapped, server_version=context.server_version)

    return stand


def _nothing(report: LintReport) -> LintReport:
    return report


def reread(source: Source, text: str) -> Source:
    """The script that a tool makes of this new text of its file; every offset stays that of the file."""
    plain = replace(source, text=file_text(source), shown="")
    for direction in Direction:
        was = run_as(plain, SourceSettings(), direction)
        if was is not None and was.text == source.text:
            now = run_as(replace(plain, text=text), SourceSettings(), direction)
            if now is not None:
                # What the folder says of the transaction holds on where the file says nothing.
                told = (
                    now.in_transaction if was.in_transaction != now.in_transaction else source.in_transaction
                )
                return replace(now, in_transaction=told, revision=source.revision)
    return replace(source, text=text, shown="")
