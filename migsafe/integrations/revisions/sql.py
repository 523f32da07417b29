"""What the steps of a plan do, as SQL for people to read."""

from migsafe.plan.model import BackfillStep, ConcurrentStep, DdlStep, IndexStep, Step, VerifyStep
from migsafe.sql.names import format_name


def sql_of(step: Step) -> str:
    """What a step does, as SQL to read: what a backfill does in batches is one statement here."""
    match step:
        case DdlStep(sql=statements):
            return ";\n".join(statement.rstrip(";\n ") for statement in statements) + ";"
        case IndexStep(sql=sql) | ConcurrentStep(sql=sql):
            return sql.rstrip(";\n ") + ";"
        case BackfillStep():
            return _backfill(step)
        case VerifyStep(table=table, mismatch=mismatch):
            return f"-- must find nothing:\nSELECT FROM {format_name(table)} WHERE {mismatch};"
        case _:
            return ""


def undo_of(step: Step) -> str:
    """The statements that take a step back."""
    return "\n".join(statement.rstrip(";\n ") + ";" for statement in step.undo)


def _backfill(step: BackfillStep) -> str:
    table = format_name(step.table)
    if step.delete:
        return f"-- in batches:\nDELETE FROM {table} WHERE {step.pending};"
    if step.copy is not None:
        columns, values = ", ".join(step.copy.columns), ", ".join(step.copy.values)
        into = format_name(step.copy.into)
        key = f" ({', '.join(step.copy.key)})" if step.copy.key else ""
        return (
            f"-- in batches:\nINSERT INTO {into} ({columns}) SELECT {values} FROM {table} "
            f"WHERE {step.pending} ON CONFLICT{key} DO NOTHING;"
        )
    return f"-- in batches:\nUPDATE {table} SET {step.assignments} WHERE {step.pending};"
