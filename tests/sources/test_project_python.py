"""Which Python renders a project, when migsafe has an environment of its own."""

import os
import sys
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.sources.project_python import find_python


def interpreter(folder: Path, package: str = "") -> Path:
    """A Python in `folder`, with a package in it or without."""
    folder.mkdir(parents=True)
    if package:
        (folder / "packages" / package).mkdir(parents=True)
        (folder / "packages" / package / "__init__.py").touch()
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/packages" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def test_the_first_python_of_path_that_has_the_package_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = interpreter(folder / "a")
    having = interpreter(folder / "b", "someframework")
    broken = folder / "c"
    broken.mkdir()
    (broken / "python3").write_text("#!/bin/sh\nexit 3\n")
    (broken / "python3").chmod(0o755)
    path = os.pathsep.join(map(str, [broken, without.parent, having.parent]))
    monkeypatch.setenv("PATH", path)
    assert find_python("someframework", folder) == str(having)


def test_a_virtual_environment_beside_the_project_counts_more_than_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(interpreter(folder / "b", "someframework").parent))
    package = folder / "shop" / ".venv" / "lib" / "python3.12" / "site-packages" / "someframework"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    assert find_python("someframework", folder / "shop") == str(folder / "shop/.venv/bin/python")


def test_a_folder_of_that_name_is_no_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "someframework").mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PATH", str(interpreter(folder / "b").parent))
    with pytest.raises(UsageError, match="no Python with someframework") as error:
        find_python("someframework", folder)
    assert "[[sources]]" in error.value.advice
