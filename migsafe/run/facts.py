"""Reads from the catalog what the choice of a method depends on."""

from migsafe.plan.model import BackfillStep
from migsafe.run.connect import Conn
from migsafe.run.method import Facts, KeyColumn, Work
from migsafe.run.pages import Leaf, integer_key

_FACTS = """
    SELECT coalesce(am.amname, 'heap'),
           coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'fillfactor'), 100),
           (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid),
           CASE WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples / c.relpages END,
           (SELECT extract(epoch FROM max(clock_timestamp() - a.xact_start))::float8
            FROM pg_stat_activity a
            WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
              AND a.application_name NOT LIKE 'migsafe%%')
    FROM pg_class c LEFT JOIN pg_am am ON am.oid = c.relam WHERE c.oid = %s
"""
# The primary key first; an index over expressions or over some of the rows is no key.
_KEY = """
    SELECT array_agg(ARRAY[a.attname, format_type(a.atttypid, a.atttypmod)] ORDER BY k.position)
    FROM (
        SELECT i.indrelid, i.indexrelid, i.indkey, i.indnkeyatts FROM pg_index i
        WHERE i.indrelid = %s AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
          AND i.indexprs IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
          )
        ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
    ) AS best
    CROSS JOIN LATERAL unnest((best.indkey::int2[])[0:best.indnkeyatts - 1])
        WITH ORDINALITY AS k (number, position)
    JOIN pg_attribute a ON a.attrelid = best.indrelid AND a.attnum = k.number
"""


def work_of(step: BackfillStep) -> Work:
    """What the step does with rows."""
    return Work.COPY if step.copy else Work.DELETE if step.delete else Work.UPDATE


def read_facts(conn: Conn, step: BackfillStep, leaf: Leaf) -> Facts:
    """What is known about the relation now; of one that is gone, next to nothing."""
    row = conn.execute(_FACTS, (leaf.oid,)).fetchone()
    if row is None:
        return Facts(work=work_of(step))
    method, fillfactor, indexes, rows_per_page, snapshot = row
    return Facts(
        work=work_of(step),
        access_method=method,
        fillfactor=fillfactor,
        indexes=indexes,
        rows_per_page=rows_per_page,
        integer_key=integer_key(conn, leaf),
        unique_key=unique_key(conn, leaf) if method != "heap" else (),
        snapshot_seconds=snapshot,
    )


def unique_key(conn: Conn, leaf: Leaf) -> tuple[KeyColumn, ...]:
    """The columns of a unique key none of which may be null, the primary key if there is one."""
    row = conn.execute(_KEY, (leaf.oid,)).fetchone()
    return tuple(KeyColumn(name=name, type=type_) for name, type_ in (row[0] or ())) if row else ()
