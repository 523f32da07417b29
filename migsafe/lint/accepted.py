"""The baseline of a run: read, applied, and on request written."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from migsafe.config.model import Config, relative_to
from migsafe.errors import UsageError
from migsafe.lint.baseline import (
    DEFAULT_NAME,
    apply_baseline,
    read_baseline,
    renew_baseline,
    write_baseline,
)
from migsafe.lint.model import LintReport


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRequest:
    """What the command line says: which file, whether to use one, to write it, and to add to it."""

    file: str = ""
    is_off: bool = False
    write: bool = False
    accept_new: bool = False


def acceptance(request: BaselineRequest, config: Config) -> Callable[[LintReport], LintReport]:
    """Takes out of reports what the baseline accepts, which is read once; nothing is written.

    Raises:
        UsageError: The file cannot be read.
    """
    if request.is_off:
        return lambda report: report
    path = request.file or config.resolve(config.baseline) or config.resolve(DEFAULT_NAME)
    old = read_baseline(path)
    if old is None:
        return lambda report: report
    folder = config.absolute(path).rpartition("/")[0] or "/"
    return lambda report: apply_baseline(report, old, lambda file: relative_to(folder, config.absolute(file)))


def with_baseline(report: LintReport, request: BaselineRequest, config: Config) -> LintReport:
    """The report without what the baseline accepts; the baseline is written first when that is asked for.

    The file is the one that the command line or the configuration names, or migsafe-baseline.toml beside
    the configuration (without one: at the root of the repository) if it is there.

    Raises:
        UsageError: The file is named and is not there, cannot be read, or cannot be written.
    """
    if request.accept_new and not request.write:
        raise UsageError("--accept-new adds to the baseline", advice="Say --write-baseline, too.")
    if request.is_off:
        return report
    named = request.file or config.resolve(config.baseline)
    path = named or config.resolve(DEFAULT_NAME)
    old = read_baseline(path)
    folder = config.absolute(path).rpartition("/")[0] or "/"

    def locate(file: str) -> str:
        return relative_to(folder, config.absolute(file))

    if request.write:
        new = renew_baseline(report, old, path, locate, accept_new=request.accept_new)
        write_baseline(new)
        done = apply_baseline(report, new, locate)
        if done.baseline is None:
            return done
        before = sum(map(len, old.entries.values())) if old else 0
        after = sum(map(len, new.entries.values()))
        return replace(done, baseline=replace(done.baseline, written=after - before))
    if old is None:
        if named:
            raise UsageError(
                f"{named}: no such baseline",
                advice="`migsafe lint --write-baseline` writes one, with all that is found now.",
            )
        return report
    return apply_baseline(report, old, locate)
