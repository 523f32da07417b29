"""--diff: what changed since the commit that HEAD and a ref share, in real git repositories."""

import io
import subprocess
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.sources.gather import Request, gather
from migsafe.sources.settings import SourceSettings


def git(folder: Path, *arguments: str) -> None:
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, **files: str | None) -> None:
    for name, text in files.items():
        path = folder / "m" / f"{name}.sql"
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / "m").mkdir(parents=True)
    git(folder, "init", "--quiet")
    commit(folder, _1="CREATE TABLE t (id int);\n" * 9, _2="SELECT 2;")
    git(folder, "checkout", "--quiet", "-b", "work")
    monkeypatch.chdir(folder)
    return folder


def judged(ref: str = "main", paths: tuple[str, ...] = ()) -> list[str]:
    found = gather(Request(paths=paths, sources=(SourceSettings(path="m"),), diff=ref), stdin=io.BytesIO())
    return [Path(source.path).stem for source in found if source.judged]


def test_only_what_changed_is_judged_and_the_rest_is_context(repository: Path) -> None:
    commit(repository, _3="SELECT 3;")
    found = gather(Request(sources=(SourceSettings(path="m"),), diff="main"), stdin=io.BytesIO())
    assert [(Path(source.path).stem, source.judged) for source in found] == [
        ("_1", False),
        ("_2", False),
        ("_3", True),
    ]


def test_what_is_not_committed_yet_counts(repository: Path) -> None:
    (repository / "m" / "_4.sql").write_text("SELECT 4;", encoding="utf-8")
    (repository / "m" / "_2.sql").write_text("SELECT 22;", encoding="utf-8")
    assert judged() == ["_2", "_4"]


def test_what_the_other_branch_did_meanwhile_does_not_count(repository: Path) -> None:
    commit(repository, _3="SELECT 3;")
    git(repository, "checkout", "--quiet", "main")
    commit(repository, _2="SELECT 'changed on main';")
    git(repository, "checkout", "--quiet", "work")
    assert judged() == ["_3"]


def test_an_old_migration_that_was_edited_is_judged(repository: Path) -> None:
    commit(repository, _1="CREATE TABLE t (id bigint);")
    assert judged() == ["_1"]


def test_a_migration_that_was_only_renamed_did_not_change(repository: Path) -> None:
    git(repository, "mv", "m/_1.sql", "m/_0.sql")
    commit(repository)
    assert judged() == []


def test_a_migration_that_was_renamed_and_edited_is_judged(repository: Path) -> None:
    git(repository, "mv", "m/_1.sql", "m/_0.sql")
    commit(repository, _0="CREATE TABLE t (id int);\n" * 9 + "SELECT 1;")
    assert judged() == ["_0"]


def test_a_migration_that_was_deleted_is_gone(repository: Path) -> None:
    commit(repository, _2=None, _3="SELECT 3;")
    assert judged() == ["_3"]


def test_paths_narrow_what_changed(repository: Path) -> None:
    commit(repository, _3="SELECT 3;", _4="SELECT 4;")
    assert judged(paths=("m/_4.sql",)) == ["_4"]


@pytest.mark.usefixtures("repository")
def test_a_ref_that_git_does_not_know_is_an_error_that_says_how_to_get_it() -> None:
    with pytest.raises(UsageError, match="git knows no such commit") as error:
        judged("origin/main")
    assert "git fetch origin" in error.value.advice


@pytest.mark.usefixtures("repository")
def test_a_ref_cannot_be_an_option() -> None:
    with pytest.raises(UsageError, match="git knows no such commit"):
        judged("--output=/dev/null")


def test_a_shallow_clone_says_that_it_is_one(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, _3="SELECT 3;")
    git(repository, "checkout", "--quiet", "main")
    commit(repository, _5="SELECT 5;")
    clone = repository.parent / "clone"
    git(
        repository.parent,
        "clone", "--quiet", "--depth=1", "--no-single-branch", repository.as_uri(), str(clone),
    )  # fmt: skip
    git(clone, "checkout", "--quiet", "work")
    monkeypatch.chdir(clone)
    with pytest.raises(UsageError, match="this clone is shallow") as error:
        judged("origin/main")
    assert "fetch-depth: 0" in error.value.advice


def test_outside_of_a_repository_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text("SELECT 1;", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match="not in a git repository"):
        judged()
