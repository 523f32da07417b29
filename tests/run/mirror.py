"""A second table that a trigger keeps like the first one, and steps that copy and delete rows."""

from migsafe.plan.model import BackfillStep, CopyRows, Plan, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan

PEOPLE = Name("people", "public")

MIRROR = """
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL);
CREATE FUNCTION mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM people WHERE id = OLD.id AND (TG_OP = 'DELETE' OR NEW.id <> OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO people VALUES (NEW.id, NEW.name) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER mirror AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION mirror();
"""

DIFFERENT = "SELECT count(*) FROM users u FULL JOIN people p USING (id) WHERE u.name IS DISTINCT FROM p.name"


def copy_plan(table: Name = USERS, into: Name = PEOPLE) -> Plan:
    missing = f"NOT EXISTS (SELECT FROM {into.sql} p WHERE p.id = {table.name}.id)"
    return make_plan(
        (
            BackfillStep(
                id="copy",
                stage=Stage.BACKFILLED,
                title="Copy the rows",
                table=table,
                pending=missing,
                copy=CopyRows(into=into, columns=("id", "name"), values=("id", "name")),
            ),
            VerifyStep(
                id="verify",
                stage=Stage.VERIFIED,
                title="Prove that every row is there",
                table=table,
                key=("id",),
                mismatch=missing,
                passes=1,
            ),
        )
    )


def delete_plan(pending: str, table: Name = USERS) -> Plan:
    return make_plan(
        (
            BackfillStep(
                id="delete",
                stage=Stage.BACKFILLED,
                title="Delete the rows",
                table=table,
                pending=pending,
                delete=True,
            ),
            VerifyStep(
                id="verify",
                stage=Stage.VERIFIED,
                title="Prove that none is left",
                table=table,
                key=("id",),
                mismatch=pending,
                passes=1,
            ),
        )
    )
