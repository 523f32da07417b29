"""What migsafe reads is what PostgreSQL's own parser reads: kinds, relations, actions and boundaries."""

from pathlib import Path

import pytest
from pglast import ast, parser
from pglast.enums import AlterTableType

from migsafe.sql.lex import lex
from migsafe.sql.names import Name
from migsafe.sql.operations import OtherStatement, Unread, Update
from migsafe.sql.script import read_script
from tests.sql.oracle.expand import statements
from tests.sql.oracle.ours import seen
from tests.sql.oracle.pg import see

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.sql"))
REJECTED = sorted((Path(__file__).parent / "corpus").glob("*.rejected"))
# Actions of AlterTableType that no syntax produces: the server makes them of others while it runs.
MADE_BY_THE_SERVER = {
    *(
        "AT_AddColumnToView",
        "AT_CookedColumnDefault",
        "AT_CheckNotNull",
        "AT_ReAddIndex",
        "AT_ReAddConstraint",
    ),
    *("AT_ReAddDomainConstraint", "AT_AddIndex", "AT_AddIndexConstraint", "AT_ReAddComment"),
    *("AT_ReplaceRelOptions", "AT_ReAddStatistics", "AT_SetAttNotNull"),
}
# Kinds of statements that no script can hold: the server makes them, or they are parts of others.
NO_STATEMENTS = {
    "PLAssignStmt",
    "ReturnStmt",
    "ReplicaIdentityStmt",
    "SetOperationStmt",
    "RawStmt",
    "AlterTypeStmt",
}


def lines(path: Path) -> list[str]:
    return [line.removesuffix(";") for line in path.read_text().splitlines()]


def node_kinds(node: object) -> set[str]:
    """The names of all statement nodes in a tree."""
    found: set[str] = set()
    if isinstance(node, ast.Node):
        if type(node).__name__.endswith("Stmt"):
            found.add(type(node).__name__)
        for key in node:
            found |= node_kinds(getattr(node, key))
    elif isinstance(node, tuple):
        for child in node:
            found |= node_kinds(child)
    return found


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_statement_of_the_corpus_is_what_the_oracle_says(path: Path) -> None:
    differences = []
    for text in lines(path):
        (statement,) = read_script(text).statements
        oracle = see(text)
        if statement.unread:
            differences.append((text, statement.unread.reason))
        elif oracle.tag != "DO" and oracle != (ours := seen(statement.operations)):
            differences.append((text, f"{oracle} is not {ours}"))
    assert differences == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_boundaries_are_those_of_the_oracle(path: Path) -> None:
    # Behind COPY FROM stdin a script has data, which the server's parser never sees.
    text = path.read_text().replace("from stdin", "from '/x'")
    ours = [text[s.start : s.end] for s in read_script(text).statements]
    assert ours == [text[s].strip() for s in parser.split(text, only_slices=True)]


def test_what_the_oracle_rejects_is_unread() -> None:
    rejected = [line for path in REJECTED for line in lines(path)]
    assert rejected
    assert [
        text for text in rejected if not isinstance(read_script(text).statements[0].operations[0], Unread)
    ] == []


def test_the_corpus_is_what_the_templates_make() -> None:
    stored = {line for path in (*CORPUS, *REJECTED) for line in lines(path)}
    assert stored == {text for each in statements().values() for text in each}


def test_the_corpus_has_every_kind_of_statement_and_action() -> None:
    texts = [line for path in CORPUS for line in lines(path)]
    assert len(texts) >= 2_000
    kinds: set[str] = set()
    actions: set[str] = set()
    for text in texts:
        (raw,) = parser.parse_sql(text)
        kinds |= node_kinds(raw.stmt)
        actions |= {action for action in see(text).actions if action.startswith("AT_")}
    every_kind = {name for name in dir(ast) if name.endswith("Stmt")}
    assert every_kind - kinds - NO_STATEMENTS == set()
    assert {kind.name for kind in AlterTableType} - actions - MADE_BY_THE_SERVER == set()


def test_tokens_are_those_of_the_oracle() -> None:
    for path in CORPUS:
        for text in lines(path):
            theirs = [text.encode()[t.start : t.end + 1].decode() for t in parser.scan(text)]
            assert [token.text for token in lex(text)] == theirs, text


@pytest.mark.parametrize(
    "text",
    [
        "REPACK",
        "REPACK (VERBOSE) t",
        "REPACK t (a, b) USING INDEX i",
        "REPACK (CONCURRENTLY) s.t USING INDEX",
        "REPACK (ANALYZE, VERBOSE false) USING INDEX",
        "WAIT FOR LSN '0/306EE20'",
        "WAIT FOR LSN '0/306EE20' WITH (MODE 'primary_flush', TIMEOUT '100ms', NO_THROW)",
        "ALTER TABLE t MERGE PARTITIONS (p1, s.p2) INTO p12",
        "ALTER TABLE t SPLIT PARTITION p INTO (PARTITION a FOR VALUES IN (1), PARTITION b DEFAULT)",
        "CREATE PUBLICATION p FOR ALL TABLES EXCEPT (TABLE t, s.u), ALL SEQUENCES",
        "CREATE SUBSCRIPTION s SERVER v PUBLICATION p",
        "ALTER SUBSCRIPTION s REFRESH SEQUENCES",
        "CHECKPOINT (MODE SPREAD, FLUSH_UNLOGGED)",
        "UPDATE t FOR PORTION OF valid_at FROM '2020-01-01' TO NULL AS x SET a = 1 WHERE id = 2",
        "DELETE FROM t FOR PORTION OF valid_at (daterange('2020-01-01', NULL)) WHERE id = 2",
        "INSERT INTO t VALUES (1) ON CONFLICT (id) DO SELECT FOR UPDATE RETURNING *",
        "SELECT a, count(*) FROM t GROUP BY ALL",
        "COPY t TO STDOUT (FORMAT json)",
        "CREATE PROPERTY GRAPH s.g VERTEX TABLES (users KEY (id) LABEL person PROPERTIES (id, name AS n))"
        " EDGE TABLES (follows AS f SOURCE KEY (a) REFERENCES users (id)"
        " DESTINATION KEY (b) REFERENCES users (id) NO PROPERTIES)",
        "CREATE TEMP PROPERTY GRAPH g NODE TABLES (t DEFAULT LABEL PROPERTIES ALL COLUMNS)",
        "ALTER PROPERTY GRAPH g ALTER VERTEX TABLE t ALTER LABEL l ADD PROPERTIES (k * 2 AS kk)",
        "ALTER PROPERTY GRAPH g DROP EDGE TABLES (e) CASCADE",
        "DROP PROPERTY GRAPH IF EXISTS g, s.h CASCADE",
        "SELECT * FROM GRAPH_TABLE (g MATCH (a IS person)-[f IS follows]->(b) COLUMNS (a.name))",
    ],
)
def test_what_is_new_in_postgresql_19_is_read(text: str) -> None:
    (statement,) = read_script(text).statements
    assert statement.unread is None


def test_the_tables_of_the_next_versions_statements_are_known() -> None:
    (repack,) = read_script("REPACK (CONCURRENTLY) s.t").statements
    assert repack.operations == (
        OtherStatement(tag="REPACK CONCURRENTLY", target=Name("t", "s"), options=("concurrently",)),
    )
    (update,) = read_script("UPDATE t FOR PORTION OF v FROM a TO b SET c = 1").statements
    assert update.operations == (Update(table=Name("t"), has_where=False),)
