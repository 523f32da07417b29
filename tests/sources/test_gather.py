"""What is judged and what is only context: sources, paths, start_after, standard input."""

import io
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import SourceKind, SourceSettings


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    for number in (1, 2, 10):
        (tmp_path / "m" / f"{number}_x.sql").write_text(f"SELECT {number};", encoding="utf-8")
    return tmp_path


def run(*paths: str, given: bytes = b"", start_after: str = "", **more: object) -> tuple[Source, ...]:
    settings = SourceSettings(path="m", start_after=start_after)
    request = Request(paths=paths, sources=(settings,), **more)  # type: ignore[arg-type]
    return gather(request, stdin=io.BytesIO(given))


def shown(sources: tuple[Source, ...]) -> list[tuple[str, bool]]:
    return [(source.path, source.judged) for source in sources]


@pytest.mark.usefixtures("history")
def test_without_paths_the_configured_sources_are_judged() -> None:
    assert shown(run()) == [("m/1_x.sql", True), ("m/2_x.sql", True), ("m/10_x.sql", True)]


@pytest.mark.usefixtures("history")
def test_a_file_that_is_named_has_its_history_as_context() -> None:
    assert shown(run("m/2_x.sql")) == [("m/1_x.sql", False), ("m/2_x.sql", True)]


def test_a_folder_above_the_source_means_all_of_it(history: Path) -> None:
    (history / "notes.sql").write_text("SELECT 0;", encoding="utf-8")
    assert all(judged for _, judged in shown(run(".")))
    assert len(run(".")) == 3


def test_a_file_of_no_source_comes_last(history: Path) -> None:
    (history / "new.sql").write_text("SELECT 0;", encoding="utf-8")
    assert shown(run("new.sql"))[-1] == ("new.sql", True)
    assert not any(judged for _, judged in shown(run("new.sql"))[:-1])


@pytest.mark.usefixtures("history")
def test_nothing_runs_after_the_last_script_that_is_judged() -> None:
    assert shown(run("m/1_x.sql")) == [("m/1_x.sql", True)]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", ["2_x.sql", "2_x", "m/2_x.sql", "2", "0002"])
def test_start_after_makes_what_is_old_context(name: str) -> None:
    assert shown(run(start_after=name)) == [
        ("m/1_x.sql", False),
        ("m/2_x.sql", False),
        ("m/10_x.sql", True),
    ]


@pytest.mark.usefixtures("history")
def test_start_after_holds_for_files_that_are_named() -> None:
    assert run("m/1_x.sql", start_after="2") == ()


@pytest.mark.usefixtures("history")
def test_an_unknown_start_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"Did you mean '10_x\.sql'"):
        run(start_after="10_y.sql")


@pytest.mark.usefixtures("history")
def test_excluded_scripts_are_context() -> None:
    found = run(is_excluded=lambda path: path.endswith("2_x.sql"))
    assert shown(found) == [("m/1_x.sql", True), ("m/2_x.sql", False), ("m/10_x.sql", True)]


@pytest.mark.usefixtures("history")
def test_standard_input_takes_the_place_of_the_file_it_is_named_after() -> None:
    found = run("-", given=b"SELECT 'new';", stdin_filename="m/2_x.sql")
    assert shown(found) == [("m/1_x.sql", False), ("m/2_x.sql", True)]
    assert found[-1].text == "SELECT 'new';"


@pytest.mark.usefixtures("history")
def test_standard_input_is_read_as_its_name_and_markers_say() -> None:
    text = b"-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;"
    found = gather(Request(paths=("-",), stdin_filename="db/3.sql"), stdin=io.BytesIO(text))
    assert (found[0].path, found[0].in_transaction, found[0].tool) == ("db/3.sql", False, "dbmate")
    assert "SELECT 2" not in found[0].text


def test_paths_of_the_configuration_start_at_its_folder(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history / "m")
    found = gather(Request(sources=(SourceSettings(path="m"),), root=history), stdin=io.BytesIO())
    assert [source.path for source in found] == ["1_x.sql", "2_x.sql", "10_x.sql"]


def test_two_sources_follow_each_other(history: Path) -> None:
    (history / "n").mkdir()
    (history / "n" / "1.sql").write_text("SELECT 1;", encoding="utf-8")
    settings = (SourceSettings(path="n"), SourceSettings(path="m", kind=SourceKind.SQL))
    found = gather(Request(sources=settings), stdin=io.BytesIO())
    assert [source.path for source in found][:2] == ["n/1.sql", "m/1_x.sql"]


@pytest.mark.usefixtures("history")
def test_a_source_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        gather(Request(sources=(SourceSettings(path="nowhere"),)), stdin=io.BytesIO())


def test_a_python_file_of_no_project_is_an_error_that_says_what_to_name(history: Path) -> None:
    (history / "x.py").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"alembic\.ini or manage\.py"):
        gather(Request(paths=("x.py",)), stdin=io.BytesIO())
