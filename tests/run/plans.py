"""A table with rows, and a plan that renames one of its columns."""

import psycopg

from migsafe.plan.model import (
    BackfillStep,
    Change,
    ColumnChange,
    DdlStep,
    DownMap,
    IndexStep,
    Plan,
    Step,
    Traffic,
    VerifyStep,
)
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.names import Name

USERS = Name("users", "public")

SYNC = """
CREATE FUNCTION public.users_sync() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.full_name := coalesce(NEW.full_name, NEW.name);
        NEW.name := coalesce(NEW.name, NEW.full_name);
    ELSIF NEW.full_name IS DISTINCT FROM OLD.full_name THEN
        NEW.name := NEW.full_name;
    ELSE
        NEW.full_name := NEW.name;
    END IF;
    RETURN NEW;
END
$$
"""


CREATE_TRIGGERS = (
    (
        "CREATE TRIGGER users_sync_insert BEFORE INSERT ON public.users "
        "FOR EACH ROW EXECUTE FUNCTION public.users_sync()"
    ),
    (
        "CREATE TRIGGER users_sync_update BEFORE UPDATE ON public.users FOR EACH ROW "
        "WHEN (OLD.name IS DISTINCT FROM NEW.name OR OLD.full_name IS DISTINCT FROM NEW.full_name) "
        "EXECUTE FUNCTION public.users_sync()"
    ),
)


def rename_plan(*extra: Step, name: str = "rename", passes: int = 2) -> Plan:
    """Rename users.name to full_name; `extra` steps come last in verified."""
    steps: tuple[Step, ...] = (
        DdlStep(
            id="expand",
            stage=Stage.EXPANDED,
            title="Add full_name and keep it in step",
            sql=(
                "ALTER TABLE public.users ADD COLUMN full_name text",
                SYNC,
                *CREATE_TRIGGERS,
            ),
            undo=(
                "DROP TRIGGER users_sync_insert ON public.users",
                "DROP TRIGGER users_sync_update ON public.users",
                "DROP FUNCTION public.users_sync()",
                "ALTER TABLE public.users DROP COLUMN full_name",
            ),
        ),
        BackfillStep(
            id="fill",
            stage=Stage.BACKFILLED,
            title="Copy name to full_name",
            table=USERS,
            assignments='"full_name" = "name"',
            pending='"full_name" IS DISTINCT FROM "name"',
        ),
        IndexStep(
            id="index",
            stage=Stage.VERIFIED,
            title="Index full_name",
            index=Name("users_full_name_idx"),
            table=USERS,
            sql='CREATE INDEX CONCURRENTLY "users_full_name_idx" ON public.users (full_name)',
        ),
        DdlStep(
            id="check",
            stage=Stage.VERIFIED,
            title="Check that full_name is never null",
            sql=("ALTER TABLE public.users ADD CONSTRAINT users_nn CHECK (full_name IS NOT NULL) NOT VALID",),
            undo=("ALTER TABLE public.users DROP CONSTRAINT users_nn",),
        ),
        DdlStep(
            id="validate",
            stage=Stage.VERIFIED,
            title="Validate the check",
            sql=("ALTER TABLE public.users VALIDATE CONSTRAINT users_nn",),
            patient=True,
        ),
        VerifyStep(
            id="verify",
            stage=Stage.VERIFIED,
            title="Compare all rows",
            table=USERS,
            key=("id",),
            mismatch='"full_name" IS DISTINCT FROM "name"',
            again='"full_name" IS DISTINCT FROM "name"',
            passes=passes,
        ),
        *extra,
        DdlStep(
            id="tombstone",
            stage=Stage.TOMBSTONED,
            title="Rename the old column away",
            sql=(
                "DROP TRIGGER users_sync_insert ON public.users",
                "DROP TRIGGER users_sync_update ON public.users",
                "ALTER TABLE public.users RENAME COLUMN name TO name_tombstone",
            ),
            undo=(
                "ALTER TABLE public.users RENAME COLUMN name_tombstone TO name",
                *CREATE_TRIGGERS,
            ),
        ),
        DdlStep(
            id="drop",
            stage=Stage.DROPPED,
            title="Drop the old column",
            sql=("DROP FUNCTION public.users_sync()", "ALTER TABLE public.users DROP COLUMN name_tombstone"),
        ),
    )
    return make_plan(steps, name=name)


def make_plan(steps: tuple[Step, ...], *, name: str = "rename", traffic: Traffic | None = None) -> Plan:
    return Plan(
        name=name,
        summary="rename users.name to full_name",
        changes=(
            Change(
                kind="rename_column",
                summary="",
                subject=USERS,
                down_map=DownMap.TOTAL,
                application_change=True,
                column=ColumnChange(old="name", new="full_name", old_type="text", new_type="text"),
            ),
        ),
        compatibility=Compatibility(
            blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
            green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
        ),
        steps=steps,
        traffic=traffic,
    )


def fill_users(conn: psycopg.Connection, rows: int) -> None:
    conn.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, visits int NOT NULL DEFAULT 0)"
    )
    conn.execute("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, %s) i", (rows,))
    conn.execute("VACUUM (ANALYZE) users")
