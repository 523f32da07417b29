"""The baseline: findings that an old repository had when migsafe came. It only gets shorter.

A line for each finding, under its file; the fingerprint is what counts, the text is for readers:

    [accepted."migrations/0007_names.sql"]
    3f2a9c0d11e0b7aa = "renamed-column: ALTER TABLE users RENAME COLUMN name TO full_name"
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from migsafe.config.find import BASELINE_NAME
from migsafe.errors import UsageError
from migsafe.lint.model import (
    BaselineReport,
    Finding,
    LintedFile,
    LintReport,
    Suppression,
    SuppressionKind,
)

DEFAULT_NAME = BASELINE_NAME
FORMAT_VERSION = 1
REASON = "in the baseline"
_HEAD = """\
# Findings that were here when migsafe was introduced, or that somebody accepted since. They do not count.
# `migsafe lint --write-baseline` takes out what is no longer found; it adds nothing unless --accept-new
# says so. Lines may be deleted by hand.
"""
_MAX_TEXT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Accepted findings: by path (from the folder of the file), fingerprints with a text for readers.

    `path` is what messages call the file. `gone` are paths of it that do not exist any more.
    """

    path: str
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


def read_baseline(path: str) -> Baseline | None:
    """The baseline in this file, None when there is no such file.

    Raises:
        UsageError: It cannot be read, or is not a baseline.
    """
    file = Path(path)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path}: the baseline cannot be read: {error}",
            advice="Correct it, or delete it and write it again: migsafe lint --write-baseline",
        ) from error
    version, entries = document.get("format_version"), document.get("accepted", {})
    if version != FORMAT_VERSION:
        raise UsageError(
            f"{path}: format_version is {version!r}, not {FORMAT_VERSION}",
            advice="It is no baseline, or one of another version of migsafe.",
        )
    if not _is_well_formed(entries):
        raise UsageError(f"{path}: 'accepted' is a table of tables of texts", advice="Correct the file.")
    gone = frozenset(name for name in entries if not (file.parent / name).exists())
    return Baseline(path=path, entries=entries, gone=gone)


def write_baseline(baseline: Baseline) -> None:
    """Writes the file, all of it or nothing.

    Raises:
        UsageError: It cannot be written.
    """
    import tempfile  # noqa: PLC0415 -- slow to import, and seldom needed

    file = Path(baseline.path)
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(as_text(baseline))
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        Path(name).chmod(mode)
        Path(name).replace(file)
    except OSError as error:
        raise UsageError(
            f"{baseline.path}: the baseline cannot be written: {error.strerror}",
            advice="Check the folder and its permissions.",
        ) from error


def as_text(baseline: Baseline) -> str:
    """The file's text: sorted, so that two branches rarely touch the same lines."""
    lines = [_HEAD, f"format_version = {FORMAT_VERSION}"]
    for path, entries in sorted(baseline.entries.items()):
        lines += ["", f"[accepted.{_quoted(path)}]"]
        by_text = sorted(entries.items(), key=lambda entry: (entry[1], entry[0]))
        lines += [f"{fingerprint} = {_quoted(text)}" for fingerprint, text in by_text]
    return "\n".join(lines) + "\n"


def apply_baseline(report: LintReport, baseline: Baseline, locate: Callable[[str], str]) -> LintReport:
    """The report without what the baseline accepts; `locate` gives a file's path as the baseline has it."""
    judged = {locate(file.path) for file in report.files}
    left = {path: dict(entries) for path, entries in baseline.entries.items()}
    files = tuple(_accepted(file, baseline, locate(file.path), left) for file in report.files)
    accepted = sum(
        len(new.suppressed) - len(old.suppressed) for new, old in zip(files, report.files, strict=True)
    )
    stale = tuple(
        f"{path}: {text}"
        for path, entries in sorted(left.items())
        if path in judged or path in baseline.gone
        for text in sorted(entries.values())
    )
    return replace(
        report, files=files, baseline=BaselineReport(path=baseline.path, accepted=accepted, stale=stale)
    )


def renew_baseline(
    report: LintReport, old: Baseline | None, path: str, locate: Callable[[str], str], *, accept_new: bool
) -> Baseline:
    """The baseline to write, from a report that knows nothing of it: what is still found, and no more.

    Files that were not judged keep their entries as long as they exist. New findings are added when there
    was no baseline, or when `accept_new` says so.
    """
    entries: dict[str, Mapping[str, str]] = {}
    if old is not None:
        judged = {locate(file.path) for file in report.files}
        entries = {
            name: kept for name, kept in old.entries.items() if name not in judged and name not in old.gone
        }
    for file in report.files:
        name = locate(file.path)
        known = old.entries.get(name, {}) if old is not None else {}
        found = {
            finding.fingerprint: _text(finding, file)
            for finding in file.findings
            if old is None or accept_new or finding.fingerprint in known
        }
        if found:
            entries[name] = {**entries.get(name, {}), **found}
    return Baseline(path=path, entries=entries)


def _accepted(
    file: LintedFile, baseline: Baseline, name: str, left: Mapping[str, dict[str, str]]
) -> LintedFile:
    known = baseline.entries.get(name)
    if not known:
        return file
    active: list[Finding] = []
    accepted: list[Finding] = []
    for finding in file.findings:
        if finding.fingerprint in known:
            left[name].pop(finding.fingerprint, None)
            why = Suppression(kind=SuppressionKind.BASELINE, reason=REASON)
            accepted.append(replace(finding, suppression=why))
        else:
            active.append(finding)
    in_order = sorted((*file.suppressed, *accepted), key=lambda one: (one.path, one.line, one.column))
    return replace(file, findings=tuple(active), suppressed=tuple(in_order))


def _text(finding: Finding, file: LintedFile) -> str:
    text = f"{finding.rule}: {finding.statement or file.path}"
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."


def _is_well_formed(entries: object) -> bool:
    return isinstance(entries, dict) and all(
        isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
        for found in entries.values()
    )


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's escapes are valid there, and DEL needs one, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
