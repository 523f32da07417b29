"""Files are replaced whole, in one step, and stay what they were in every other way."""

import os
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.lint.fix.engine import Fixed
from migsafe.lint.fix.files import write_fixed
from migsafe.sources.sql_folder import decode

OLD, NEW = "\ufeffSELECT 'ü';\r\n", "\ufeffSELECT 'ä';\r\n"


def fixed(path: Path, old: str = OLD, new: str = NEW) -> Fixed:
    return Fixed(source=decode(old.encode(), path=str(path)), text=new)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "1.sql"
    path.write_bytes(OLD.encode())
    return path


def test_every_byte_around_the_edits_stays(path: Path) -> None:
    assert write_fixed([fixed(path)]) == (path,)
    assert path.read_bytes() == NEW.encode()
    assert [each.name for each in path.parent.iterdir()] == ["1.sql"]


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o664])
def test_permissions_stay(path: Path, mode: int) -> None:
    path.chmod(mode)
    write_fixed([fixed(path)])
    assert path.stat().st_mode & 0o7777 == mode


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.parent / "link.sql"
    link.symlink_to("1.sql")
    write_fixed([fixed(link)])
    assert link.is_symlink()
    assert path.read_bytes() == NEW.encode()


def test_a_file_that_did_not_change_is_not_written(path: Path) -> None:
    before = path.stat().st_mtime_ns
    assert write_fixed([fixed(path, OLD, OLD)]) == ()
    assert path.stat().st_mtime_ns == before


def test_nothing_is_written_when_one_file_was_changed_meanwhile(path: Path) -> None:
    other = path.parent / "2.sql"
    other.write_text("SELECT 3;")
    with pytest.raises(UsageError, match=r"2\.sql: was changed while it was looked at"):
        write_fixed([fixed(path), fixed(other, "SELECT 2;", "SELECT 1;")])
    assert path.read_bytes() == OLD.encode()
    assert other.read_text() == "SELECT 3;"


def test_a_file_that_is_gone_is_an_error(path: Path) -> None:
    path.unlink()
    with pytest.raises(UsageError, match="cannot be read again"):
        write_fixed([fixed(path)])


def test_a_write_that_fails_leaves_the_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_fixed([fixed(path)])
    assert path.read_bytes() == OLD.encode()
    assert [each.name for each in path.parent.iterdir()] == ["1.sql"]
