"""Django projects, rendered by the real Django without its database, and compared with `sqlmigrate`."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import UsageError
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction
from migsafe.sql.script import read_script

PROJECT = Path(__file__).parents[2] / "fixtures" / "sources" / "django"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(PROJECT, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def render(direction: Direction = Direction.UP) -> dict[str, Source]:
    found = gather(Request(paths=("manage.py",), direction=direction), stdin=io.BytesIO())
    return {source.revision: source for source in found if source.judged}


def statements(text: str) -> list[str]:
    return [" ".join(statement.text.split()) for statement in read_script(text).statements]


@pytest.mark.usefixtures("project")
def test_the_project_s_own_migrations_are_judged_and_installed_ones_are_context() -> None:
    found = gather(Request(paths=("manage.py",)), stdin=io.BytesIO())
    assert [source.revision for source in found if source.judged] == [
        "shop.0001_initial",
        "shop.0002_change",
        "shop.0003_index",
    ]
    assert "auth.0001_initial" in {source.revision for source in found if not source.judged}


def test_each_statement_has_the_place_of_its_operation(project: Path) -> None:
    source = render()["shop.0002_change"]
    lines = (project / "shop/migrations/0002_change.py").read_text(encoding="utf-8").splitlines()
    at = source.text.index('ALTER TABLE "shop_customer" ADD CONSTRAINT')
    origin = next(origin for origin in source.origins if origin.start <= at < origin.end)
    assert '"name"' in lines[origin.line - 1]
    copied = next(origin for origin in source.origins if origin.copied)
    assert lines[copied.line - 1].strip().startswith("UPDATE shop_order SET note")


def test_python_code_is_a_problem_at_its_place(project: Path) -> None:
    lines = (project / "shop/migrations/0002_change.py").read_text(encoding="utf-8").splitlines()
    (problem,) = render()["shop.0002_change"].problems
    assert "RunPython" in problem.message
    assert lines[problem.line - 1].strip().startswith("migrations.RunPython(fill")


@pytest.mark.usefixtures("project")
def test_a_comment_for_a_problem_stands_right_before_it() -> None:
    source = render()["shop.0002_change"]
    (problem,) = source.problems
    assert source.text[: problem.at].rstrip().endswith("allow unread-statement: a few rows only")


@pytest.mark.usefixtures("project")
def test_the_transaction_and_the_phase_are_those_of_the_migration() -> None:
    found = render()
    assert {name: (s.in_transaction, s.phase) for name, s in found.items()} == {
        "shop.0001_initial": (True, ""),
        "shop.0002_change": (True, ""),
        "shop.0003_index": (False, "contract"),
    }


def test_it_is_what_sqlmigrate_prints_with_a_database(project: Path, database: str) -> None:
    with psycopg.connect(database) as connection:
        info = connection.info
        environment = {
            **os.environ,
            "SHOP_HOST": info.host,
            "SHOP_NAME": info.dbname,
            "SHOP_USER": info.user,
            "SHOP_PASSWORD": info.password,
            "SHOP_PORT": str(info.port),
        }

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=project, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    for name, source in render().items():
        app, migration = name.split(".")
        printed = [
            text
            for text in statements(manage("sqlmigrate", app, migration))
            if text not in {"BEGIN", "COMMIT"}
        ]
        assert [text for text in statements(source.text) if not text.startswith("CREATE EXTENSION")] == [
            text for text in printed if not text.startswith("CREATE EXTENSION")
        ], name
        manage("migrate", app, migration)


@pytest.mark.usefixtures("project")
def test_going_back_is_rendered_on_request() -> None:
    back = render(Direction.DOWN)
    assert list(back) == ["shop.0003_index", "shop.0002_change", "shop.0001_initial"]
    assert statements(back["shop.0001_initial"].text)[0] == 'DROP TABLE "shop_order" CASCADE'
    assert any("cannot be reversed" in problem.message for problem in back["shop.0002_change"].problems)


@pytest.mark.usefixtures("project")
def test_a_file_that_is_named_is_judged_with_its_history() -> None:
    found = gather(Request(paths=("shop/migrations/0002_change.py",)), stdin=io.BytesIO())
    assert [source.revision for source in found if source.judged] == ["shop.0002_change"]
    assert found[-1].judged


def test_settings_that_want_a_variable_are_an_error_that_says_what_to_do(project: Path) -> None:
    settings = project / "site_" / "settings.py"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('"not-a-secret"', 'os.environ["SHOP_KEY"]'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"settings\.py:5\): KeyError: 'SHOP_KEY'") as error:
        render()
    assert "environment = {" in error.value.advice


def test_a_development_database_of_another_kind_does_not_matter(project: Path) -> None:
    settings = project / "site_" / "settings.py"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("backends.postgresql", "backends.sqlite3"), encoding="utf-8")
    assert "GENERATED BY DEFAULT AS IDENTITY" in render()["shop.0001_initial"].text


@pytest.mark.parametrize(
    "line",
    [
        'DEFAULTS = {"DJANGO_SETTINGS_MODULE": "site_.settings"}; os.environ.update(DEFAULTS)',
        'os.environ["DJANGO_SETTINGS_MODULE"] = "site_.settings"',
    ],
)
def test_the_settings_are_found_however_manage_py_names_them(project: Path, line: str) -> None:
    manage = project / "manage.py"
    assert '"site_.settings"' in manage.read_text(encoding="utf-8")
    manage.write_text(f"import os\n{line}\n", encoding="utf-8")
    assert "shop.0001_initial" in render()


def test_a_manage_py_without_settings_says_where_to_name_them(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    (project / "manage.py").write_text("from shop import main; main()\n", encoding="utf-8")
    with pytest.raises(UsageError, match="it does not say which settings to load") as error:
        render()
    assert 'environment = { DJANGO_SETTINGS_MODULE = "shop.settings" }' in error.value.advice


MOVING = """
import secrets, uuid
from datetime import date
from django.db import migrations, models
from django.utils import timezone

class Migration(migrations.Migration):
    dependencies = [("shop", "0003_index")]
    operations = [
        migrations.AddField("Customer", "a", models.DateTimeField(default=timezone.now)),
        migrations.AddField("Customer", "b", models.DateTimeField(auto_now_add=True)),
        migrations.AddField("Customer", "c", models.DateField(default=date.today)),
        migrations.AddField("Customer", "d", models.UUIDField(default=uuid.uuid4)),
        migrations.AddField("Customer", "e", models.CharField(max_length=32, default=secrets.token_hex)),
        migrations.AddField("Customer", "f", models.CharField(max_length=9, default=lambda: "kept")),
        migrations.AddField("Customer", "g", models.IntegerField(default=lambda: 7)),
    ]
"""


def test_a_default_that_is_made_anew_each_time_is_rendered_alike_each_time(project: Path) -> None:
    (project / "shop/migrations/0004_moving.py").write_text(MOVING, encoding="utf-8")
    text = render()["shop.0004_moving"].text
    assert text == render()["shop.0004_moving"].text
    assert text.count("2000-01-01") == 3
    assert "'kept'" in text
    assert "DEFAULT 7" in text


def test_timeouts_among_the_options_of_the_connection_hold_in_each_migration(project: Path) -> None:
    settings = next(project.glob("*/settings.py"))
    text = settings.read_text(encoding="utf-8")
    options = '"OPTIONS": {"options": "-c lock_timeout=2s"},\n        "HOST"'
    settings.write_text(text.replace('"HOST"', options, 1), encoding="utf-8")
    assert {source.settings for source in render().values()} == {(("lock_timeout", "2s"),)}
