"""The `[alembic]` table."""

from pathlib import Path

import pytest

from migsafe.config.model import AlembicSettings
from migsafe.config.read import load_config
from migsafe.config.words import Layout
from migsafe.errors import UsageError


def read(folder: Path, text: str) -> AlembicSettings:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return load_config(current=folder).alembic


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert read(tmp_path, "[tool.migsafe]\n") == AlembicSettings()


def test_what_is_said_holds(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[tool.migsafe.alembic]\nlayout = "phases"\nexpand_label = "grow"\ninline_sql = false\n'
        "autogenerate = true\nlock_timeout = 0.5\nstatement_timeout = 3\nattempts = 7\n",
    )
    assert found == AlembicSettings(
        layout=Layout.PHASES,
        expand_label="grow",
        inline_sql=False,
        autogenerate=True,
        lock_timeout=0.5,
        statement_timeout=3.0,
        attempts=7,
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('layuot = "phases"', "unknown key 'layuot'"),
        ('layout = "branch"', "did you mean 'branches'"),
        ('contract_label = "expand"', "two different names"),
        ("attempts = 0", "a whole number from 1"),
        ("lock_timeout = 0", "above 0"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path, f"[tool.migsafe.alembic]\n{line}\n")
    assert "pyproject.toml:2" in str(caught.value)
