"""Paths become scripts in migration order; what cannot be read says so."""

import io
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import decode


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SELECT 1;", encoding="utf-8")


def read(*paths: str, given: bytes = b"") -> tuple[Source, ...]:
    return gather(Request(paths=paths), stdin=io.BytesIO(given))


def names(folder: Path, *paths: Path) -> list[str]:
    found = read(*(str(path) for path in paths))
    return [Path(source.path).relative_to(folder).as_posix() for source in found]


def test_a_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "10_b.sql", "2_a.sql", "V1.10__x.sql", "V1.9__x.sql", "sub/1.sql", "readme.md")
    assert names(tmp_path, tmp_path) == ["2_a.sql", "10_b.sql", "V1.9__x.sql", "V1.10__x.sql", "sub/1.sql"]


def test_files_of_one_folder_come_in_migration_order_however_they_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "1.sql", "2.sql", "10.sql")
    given = [tmp_path / name for name in ("10.sql", "1.sql", "2.sql")]
    assert names(tmp_path, *given) == ["1.sql", "2.sql", "10.sql"]


def test_a_file_comes_once(tmp_path: Path) -> None:
    touch(tmp_path, "1.sql", "2.sql")
    assert names(tmp_path, tmp_path / "2.sql", tmp_path) == ["1.sql", "2.sql"]
    assert len(read(str(tmp_path), str(tmp_path / "1.sql"))) == 2


def test_hidden_folders_and_down_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "1.up.sql", "1.down.sql", ".git/2.sql")
    assert names(tmp_path, tmp_path) == ["1.up.sql"]


def test_a_down_file_that_is_named_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "1.down.sql")
    assert names(tmp_path, tmp_path / "1.down.sql") == ["1.down.sql"]


def test_a_missing_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        read(str(tmp_path / "nowhere.sql"))


def test_a_folder_without_sql_is_a_usage_error(tmp_path: Path) -> None:
    touch(tmp_path, "readme.md")
    with pytest.raises(UsageError, match=r"no \*\.sql files"):
        read(str(tmp_path))


def test_no_path_at_all_is_a_usage_error_that_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="migsafe lint migrations/"):
        read()


def test_a_dash_reads_standard_input() -> None:
    (source,) = read("-", given=b"SELECT 1;")
    assert (source.path, source.text, source.problem) == ("<stdin>", "SELECT 1;", "")


@pytest.mark.parametrize(
    ("data", "problem", "at"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary", 0),
        (b"SELECT 'caf\xe9';", "byte 0xe9 is not UTF-8", 11),
        ("SELECT 'é'; -- ".encode() + b"\xff", "byte 0xff is not UTF-8", 15),
        ("SELECT 1;".encode("utf-16"), "UTF-16", 0),
        (b"SELECT 1;\0", "NUL character", 9),
    ],
)
def test_bytes_that_are_not_sql_text_are_a_problem_at_a_place(data: bytes, problem: str, at: int) -> None:
    source = decode(data, path="x.sql")
    assert problem in source.problem
    assert source.problem_at == at


def test_a_bom_is_no_problem() -> None:
    assert decode(b"\xef\xbb\xbfSELECT 1;", path="x.sql").problem == ""
