"""One run of `migsafe lint`, behind its command line. Neither Typer nor the linter is imported for it.

Most runs of a commit hook are answered from the cache, and are over before either could be loaded.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe.cli.output import wants_color, write_report
from migsafe.cli.request import read_request
from migsafe.config.find import BASELINE_NAME
from migsafe.config.model import Config, RuleLayer
from migsafe.config.words import Color, FailOn, Level, Transaction
from migsafe.errors import UsageError
from migsafe.lint.cache.memory import Memory, Shown, open_memory
from migsafe.lint.request import LintRequest

if TYPE_CHECKING:
    from migsafe.lint.model import LintReport

INTERRUPTED = 130  # what a shell reports for Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One report to write: its format, where to ("": standard output), and how it looks."""

    format_name: str
    file: str
    color: bool
    quiet: bool
    verbose: bool

    @property
    def look(self) -> str:
        """All that shapes it, beside what was found."""
        return f"{self.format_name} {self.color:d}{self.quiet:d}{self.verbose:d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """What the command line says of the baseline."""

    file: str
    is_off: bool
    write: bool
    accept_new: bool

    def matters(self, config: Config) -> bool:
        """Whether reports depend on a baseline, or one is to be written."""
        if self.write or self.accept_new:
            return True
        named = self.file or config.baseline
        return not self.is_off and (bool(named) or Path(config.resolve(BASELINE_NAME)).exists())


def run_lint(
    *,
    paths: Sequence[str] = (),
    schema: str = "",
    database: str = "",
    server_version: int | None = None,
    transaction: Transaction | None = None,
    diff: str = "",
    down: bool = False,
    stdin_filename: str = "",
    rule: Sequence[str] = (),
    config: str = "",
    isolated: bool = False,
    format_: str = "text",
    output: str = "",
    report: Sequence[tuple[str, str]] = (),
    fail_on: FailOn | None = None,
    quiet: bool = False,
    verbose: bool = False,
    color: Color = Color.AUTO,
    baseline: str = "",
    no_baseline: bool = False,
    write_baseline: bool = False,
    accept_new: bool = False,
    fix: bool = False,
    diff_fix: bool = False,
    fix_lock_timeout: str = "2s",
    no_cache: bool = False,
) -> int:
    """Judges, writes the reports, and gives the exit code; the parameters are the command's options.

    Raises:
        MigsafeError: The scripts could not be judged, or a report could not be written.
    """
    try:
        request = read_request(
            paths=paths,
            schema=schema,
            database=database,
            server_version=server_version,
            transaction=transaction,
            diff=diff,
            down=down,
            stdin_filename=stdin_filename,
            rules=_rules(rule),
            config=config,
            isolated=isolated,
        )
        accept = Accept(file=baseline, is_off=no_baseline, write=write_baseline, accept_new=accept_new)
        # With --diff-fix the changes are all that goes to standard output.
        first = [] if diff_fix and not output else [(format_, output)]
        outputs = tuple(
            Output(format_name=name, file=file, color=_painted(color, file), quiet=quiet, verbose=verbose)
            for name, file in [*first, *report]
        )
        least = fail_on or request.config.fail_on
        if fix or diff_fix:
            return _fixed(request, accept, outputs, least, lock_timeout=fix_lock_timeout, write=not diff_fix)
        return _judged(request, accept, outputs, least, use_cache=not no_cache)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return INTERRUPTED


def _fixed(
    request: LintRequest,
    accept: Accept,
    outputs: Sequence[Output],
    least: FailOn,
    *,
    lock_timeout: str,
    write: bool,
) -> int:
    from migsafe.cli.lint_fix import fix_or_show
    from migsafe.lint.accepted import BaselineRequest

    wanted = BaselineRequest(
        file=accept.file, is_off=accept.is_off, write=accept.write, accept_new=accept.accept_new
    )
    found = fix_or_show(request, wanted, lock_timeout=lock_timeout, write=write)
    return _finish(found, request, accept, outputs, least, None)


def _judged(
    request: LintRequest, accept: Accept, outputs: Sequence[Output], least: FailOn, *, use_cache: bool
) -> int:
    if any(output.format_name == "sarif" for output in outputs):
        from migsafe.lint.fix.paths import lint_with_fixes

        found = lint_with_fixes(request, stdin=sys.stdin.buffer)
        return _finish(found, request, accept, outputs, least, None)
    sources = request.sources(sys.stdin.buffer)
    memory = open_memory(request, sources) if use_cache else None
    if memory is None:
        from migsafe.lint.run import lint_sources

        return _finish(lint_sources(request, sources), request, accept, outputs, least, None)
    try:
        if accept.matters(request.config):
            return _finish(memory.lint(), request, accept, outputs, least, None)
        shown = memory.recall([output.look for output in outputs])
        if shown is None:
            return _finish(memory.lint(), request, accept, outputs, least, memory)
        _write(outputs, shown)
        return int(any(each.fails(least) for each in shown))
    finally:
        memory.store.close()


def _finish(
    found: "LintReport",
    request: LintRequest,
    accept: Accept,
    outputs: Sequence[Output],
    least: FailOn,
    memory: Memory | None,
) -> int:
    """Applies the baseline, writes the reports, and remembers them where there is a memory for them."""
    from migsafe.lint.accepted import BaselineRequest, with_baseline
    from migsafe.lint.model import Severity
    from migsafe.lint.reports import View, render

    wanted = BaselineRequest(
        file=accept.file, is_off=accept.is_off, write=accept.write, accept_new=accept.accept_new
    )
    found = with_baseline(found, wanted, request.config)
    errors, warnings = found.count(Severity.ERROR), found.count(Severity.WARNING)
    shown: list[Shown] = []
    for output in outputs:
        view = View(
            color=output.color,
            quiet=output.quiet,
            verbose=output.verbose,
            locate=request.config.from_repository,
        )
        text = render(found, output.format_name, view)
        shown.append(Shown(text=text, errors=errors, warnings=warnings))
    _write(outputs, shown)
    if memory is not None:
        memory.remember({output.look: each for output, each in zip(outputs, shown, strict=True)})
    return int(found.fails(least))


def _write(outputs: Sequence[Output], shown: Sequence[Shown]) -> None:
    for output, each in zip(outputs, shown, strict=True):
        if output.file in {"", "-"}:
            write_report(each.text)
            continue
        try:
            Path(output.file).parent.mkdir(parents=True, exist_ok=True)
            Path(output.file).write_text(each.text, encoding="utf-8", errors="backslashreplace", newline="\n")
        except OSError as error:
            raise UsageError(
                f"{output.file}: cannot be written: {error.strerror}",
                advice="Check the folder and its permissions.",
            ) from error


def _painted(color: Color, file: str) -> bool:
    return color is Color.ALWAYS or (color is Color.AUTO and file in {"", "-"} and wants_color())


def _rules(given: Sequence[str]) -> RuleLayer | None:
    levels: dict[str, Level] = {}
    for each in given:
        name, _, level = each.partition("=")
        if level not in tuple(Level):
            from migsafe.suggest import did_you_mean

            raise UsageError(
                f"--rule {each}: the level cannot be {level!r}{did_you_mean(level, Level)}",
                advice=f"Write NAME=LEVEL; possible levels: {', '.join(Level)}.",
            )
        levels[name.strip()] = Level(level)
    return RuleLayer(levels=levels, where="--rule") if levels else None
