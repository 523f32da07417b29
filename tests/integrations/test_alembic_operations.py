"""op.migsafe_plan, op.migsafe_backfill and the env.py helper in a real project on a real server."""

import threading
import time
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.util import CommandError

from migsafe.plan.model import Contract
from tests.integrations.alembic_project import SCHEMA, Project


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MIGSAFE_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    """Its first revision is applied, and there are 500 users."""
    made = Project(tmp_path, database)
    made.write("r1", 'def upgrade():\n    op.execute("SELECT 1")\n\ndef downgrade():\n    pass\n')
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(SCHEMA)
    made.upgrade("r1")
    return made


def rename(project: Project, contract: Contract | None = None) -> None:
    project.plan("rename", "ALTER TABLE users RENAME COLUMN name TO full_name;", contract)
    for name, down, stage, back in (
        ("r2", "r1", "verified", "planned"),
        ("r3", "r2", "tombstoned", "verified"),
        ("r4", "r3", "dropped", "tombstoned"),
    ):
        project.write(
            name,
            f"""
            def upgrade():
                op.migsafe_plan("rename.plan.toml", to="{stage}")

            def downgrade():
                op.migsafe_plan("rename.plan.toml", back_to="{back}")
            """,
            down=down,
            more=f'migsafe_plan = "rename.plan.toml"\nmigsafe_stage = "{stage}"\n',
        )


def test_a_plan_is_carried_out_by_revisions_and_the_contract_is_refused_before_its_time(
    project: Project,
) -> None:
    rename(project, Contract(keep_seconds=2.0))
    project.upgrade("r2")
    assert project.columns() == ["full_name", "id", "name"]
    assert project.ask("SELECT count(*) FROM users WHERE full_name = name") == [(500,)]
    with pytest.raises(CommandError, match="nothing proves that the old version") as caught:
        project.upgrade("r3")
    assert "-x old-version-gone" in str(caught.value)
    assert project.versions() == ["r2"]
    with pytest.raises(CommandError, match="the old shape is kept until"):
        project.upgrade("r4", "old-version-gone")
    assert project.versions() == ["r3"]
    assert "name" not in project.columns()
    project.downgrade("r2")
    assert project.columns() == ["full_name", "id", "name"]
    project.upgrade("r3", "old-version-gone")
    time.sleep(2)
    project.upgrade("r4")
    assert project.columns() == ["full_name", "id"]
    with pytest.raises(CommandError, match="no way back"):
        project.downgrade("r3")
    assert project.versions() == ["r4"]


def test_a_downgrade_takes_the_new_shape_away_when_somebody_says_that_the_new_version_is_gone(
    project: Project,
) -> None:
    rename(project)
    project.upgrade("r2")
    with pytest.raises(CommandError, match="the new version may be in service") as caught:
        project.downgrade("r1")
    assert "-x new-version-gone" in str(caught.value)
    project.downgrade("r1", "new-version-gone")
    assert project.columns() == ["id", "name"]
    assert project.versions() == ["r1"]
    project.upgrade("r2")
    assert project.columns() == ["full_name", "id", "name"]


def test_a_database_that_began_empty_goes_to_the_end_at_once(tmp_path: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)")
    project = Project(tmp_path, database)
    project.write("r1", 'def upgrade():\n    op.execute("SELECT 1")\n')
    rename(project)
    project.upgrade("r4")
    assert project.columns() == ["full_name", "id"]


def test_a_backfill_is_a_rollout_of_its_own_and_may_be_repeated(project: Project) -> None:
    body = """
        def upgrade():
            op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS shout text")
            op.migsafe_backfill("users", set="shout = upper(name)", where="shout IS NULL")

        def downgrade():
            op.execute("UPDATE users SET shout = NULL")
        """
    project.write("r2", body, down="r1")
    for _ in range(2):
        project.upgrade("r2")
        assert project.ask("SELECT count(*) FROM users WHERE shout = upper(name)") == [(500,)]
        project.downgrade("r1")
    assert project.ask("SELECT stage FROM migsafe.rollout") == [("backfilled",)]


def test_sql_of_a_revision_that_is_not_the_plans_is_refused_before_anything_runs(project: Project) -> None:
    rename(project)
    project.write(
        "r2",
        'def upgrade():\n    op.migsafe_plan("rename.plan.toml", to="expanded", sql={"x": "SELECT 1"})\n',
        down="r1",
    )
    with pytest.raises(CommandError, match="do not say the same about the step"):
        project.upgrade("r2")
    assert project.columns() == ["id", "name"]


def test_offline_a_plan_is_its_sql_and_stops_where_a_connection_is_needed(project: Project) -> None:
    rename(project)
    command.upgrade(project.config(), "r1:r3", sql=True)
    text = project.out.getvalue()
    assert 'ALTER TABLE "public"."users" ADD COLUMN "full_name" text;' in text
    assert "--   UPDATE public.users SET" in text
    assert "SET LOCAL lock_timeout = '1s';" in text
    assert "RAISE EXCEPTION USING MESSAGE = 'migsafe: rows of public.users are not filled yet" in text
    with psycopg.connect(project.database, autocommit=True) as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute(text.encode())
    assert "there is no ledger" in str(caught.value)


def test_a_revision_is_tried_again_while_its_lock_is_not_free(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="alembic.migsafe")
    project.write("r2", 'def upgrade():\n    op.execute("ALTER TABLE users ADD COLUMN a int")\n', down="r1")
    began = threading.Event()

    def hold() -> None:
        with psycopg.connect(project.database) as conn:
            conn.execute("SELECT * FROM users LIMIT 1")
            began.set()
            time.sleep(2)

    holder = threading.Thread(target=hold)
    holder.start()
    began.wait()
    project.upgrade("r2")
    holder.join()
    assert "lock timeout" in caplog.text
    assert project.versions() == ["r2"]


def test_a_revision_whose_lock_stays_taken_fails_clearly_and_leaves_nothing(
    tmp_path: Path, database: str
) -> None:
    project = Project(tmp_path, database, more=", lock_timeout=0.1, attempts=2")
    project.write("r1", 'def upgrade():\n    op.execute("ALTER TABLE users ADD COLUMN a int")\n')
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(SCHEMA)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT * FROM users LIMIT 1")
        with pytest.raises(CommandError, match="rolled back 2 times"):
            project.upgrade("r1")
    assert project.columns() == ["id", "name"]


def test_an_index_that_was_left_half_built_is_built_again(project: Project) -> None:
    body = """
        def upgrade():
            with op.get_context().autocommit_block():
                op.create_index("users_name", "users", ["name"], postgresql_concurrently=True{more})
        """
    project.write("r2", body.format(more=", unique=True"), down="r1")
    with psycopg.connect(project.database, autocommit=True) as conn:
        conn.execute("UPDATE users SET name = 'user 1' WHERE id = 2")
        with pytest.raises(Exception, match="could not create unique index"):
            project.upgrade("r2")
        conn.execute("UPDATE users SET name = 'user 2' WHERE id = 2")
    find = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_name'::regclass"
    assert project.ask(find) == [(False,)]
    project.upgrade("r2")
    assert project.ask(find) == [(True,)]
    # Killed before the revision was recorded: the index is accepted as it is.
    with psycopg.connect(project.database, autocommit=True) as conn:
        conn.execute("UPDATE alembic_version SET version_num = 'r1'")
    project.upgrade("r2")
    assert project.versions() == ["r2"]
    # But not another one of the same name.
    with psycopg.connect(project.database, autocommit=True) as conn:
        conn.execute("UPDATE alembic_version SET version_num = 'r1'")
        conn.execute("DROP INDEX users_name; CREATE INDEX users_name ON users (id)")
    with pytest.raises(Exception, match="already exists"):
        project.upgrade("r2")


def test_the_async_template_works_too(tmp_path: Path, database: str) -> None:
    project = Project(tmp_path, database, template="async")
    project.write("r1", 'def upgrade():\n    op.execute("SELECT 1")\n')
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(SCHEMA)
    project.upgrade("r1")
    rename(project)
    project.upgrade("r2")
    assert project.ask("SELECT count(*) FROM users WHERE full_name = name") == [(500,)]
