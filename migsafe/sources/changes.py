"""What changed since a git ref: the files of `--diff REF`.

Compared are the last commit that HEAD and REF share and the files as they are now, new ones that git does
not know yet included. A file that was only renamed did not change.
"""

from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.process import Answer, ask

_TIMEOUT = 60.0


def changed_files(ref: str, *, folder: Path) -> frozenset[Path]:
    """The files that were added or edited since the merge base with a ref, as resolved paths.

    Raises:
        UsageError: The folder is in no git repository, or git does not know the ref or (in a shallow clone)
            the merge base.
    """
    top = Path(_top(folder))
    base = _merge_base(ref, top)
    listed = _git(top, "diff", "--name-status", "--find-renames", "-z", base, "--")
    if listed.code:
        raise UsageError(f"--diff {ref}: git diff failed: {listed.errors.strip()}")
    new = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    names = [*_changed(listed.output), *(name for name in new.output.split(b"\0") if name)]
    return frozenset((top / name.decode("utf-8", "surrogateescape")).resolve() for name in names)


def _changed(output: bytes) -> list[bytes]:
    fields = iter(output.split(b"\0"))
    names: list[bytes] = []
    for status in fields:
        if not status:
            break
        name = next(fields)
        if status[:1] in b"RC":
            name = next(fields)
        if status[:1] != b"D" and status != b"R100":
            names.append(name)
    return names


def _top(folder: Path) -> str:
    answer = _git(folder, "rev-parse", "--show-toplevel")
    if answer.code:
        raise UsageError(
            f"--diff: {folder.resolve().as_posix()} is not in a git repository",
            advice="Run it inside the repository, or name the files instead. "
            f"git says: {answer.errors.strip()}",
        )
    return answer.output.decode("utf-8", "surrogateescape").rstrip("\n")


def _merge_base(ref: str, top: Path) -> str:
    known = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    shallow = _git(top, "rev-parse", "--is-shallow-repository").output.strip() == b"true"
    if known.code:
        raise UsageError(
            f"--diff {ref}: git knows no such commit", advice=_fetch_advice(ref, shallow=shallow)
        )
    commit = known.output.decode().strip()
    base = _git(top, "merge-base", commit, "HEAD")
    if base.code or not base.output.strip():
        reason = "this clone is shallow" if shallow else "they share no history"
        raise UsageError(
            f"--diff {ref}: git finds no commit that HEAD and {ref} share: {reason}",
            advice=_fetch_advice(ref, shallow=shallow),
        )
    return base.output.decode().strip()


def _fetch_advice(ref: str, *, shallow: bool) -> str:
    if shallow:
        return (
            "Fetch the history: `git fetch --unshallow origin`, or `fetch-depth: 0` for actions/checkout, "
            "GIT_DEPTH: 0 in GitLab CI."
        )
    return f"Fetch it (`git fetch origin`), and name it as git does: origin/main rather than {ref}, a tag."


def _git(folder: Path, *arguments: str) -> Answer:
    return ask(
        ["git", *arguments],
        folder=folder,
        timeout=_TIMEOUT,
        environment={"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
    )
