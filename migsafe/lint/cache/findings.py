"""The report of a run: what is known of its scripts, and the linter for the rest."""

from collections.abc import Sequence
from dataclasses import replace

from migsafe.lint.cache.codec import decode, encode
from migsafe.lint.cache.keys import Keys
from migsafe.lint.cache.store import Store
from migsafe.lint.model import LintedFile, LintReport
from migsafe.lint.request import LintRequest
from migsafe.sources.model import Source


def lint_with(store: Store, keys: Keys, request: LintRequest, sources: Sequence[Source]) -> LintReport:
    """The same as without a store; what was not known is remembered.

    Raises:
        UsageError: The configuration names what does not exist.
        SqlError: A statement of the schema file was not understood.
    """
    is_excluded = request.config.excludes
    judged = [
        number for number, source in enumerate(sources) if source.judged and not is_excluded(source.path)
    ]
    known = _known(store, keys, sources, judged)
    missing = [number for number in judged if number not in known]
    # Deployed together, scripts are judged together; and without any, the settings still want to be checked.
    if missing and request.diff:
        missing = judged
    if missing or not judged:
        known |= dict(zip(missing, _lint(request, sources, set(missing)), strict=True))
        store.put({keys.scripts[number]: encode(known[number]) for number in missing})
    return LintReport(files=tuple(known[number] for number in judged))


def _known(
    store: Store, keys: Keys, sources: Sequence[Source], judged: Sequence[int]
) -> dict[int, LintedFile]:
    found = store.get(keys.scripts[number] for number in judged)
    known: dict[int, LintedFile] = {}
    for number in judged:
        data = found.get(keys.scripts[number])
        file = decode(data, sources[number]) if data is not None else None
        if file is not None:
            known[number] = file
    return known


def _lint(request: LintRequest, sources: Sequence[Source], missing: set[int]) -> tuple[LintedFile, ...]:
    """The files of these scripts; all others are context for them."""
    from migsafe.lint.run import lint_sources  # noqa: PLC0415 -- the linter is heavy, and often not needed

    wanted = [
        source if source.judged == (number in missing) else replace(source, judged=number in missing)
        for number, source in enumerate(sources[: max(missing, default=-1) + 1])
    ]
    return lint_sources(request, wanted).files
