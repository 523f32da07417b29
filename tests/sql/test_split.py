import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.sql.operations import Unread
from migsafe.sql.position import Lines, Position
from migsafe.sql.script import read_script
from migsafe.sql.split import StatementKind, split

PIECES = (
    *("'", '"', "$$", "$a$", "$1", ";", "--", "/*", "*/", "\\", "\n", "\r\n", "\r", " ", "\ufeff", "(", ")"),
    *("E'", "U&'", 'U&"', "N'", "''", '""', "\\.", "\\;", "\\connect x", "copy t from stdin", "a", "é", "😀"),
    *("begin atomic", "end", "case", "create function f()", "create rule r", "select 1", "update t", "set"),
    *("alter table t ", "add column ", "int ", "default ", "with x as (", "insert into ", "values (", "\0"),
    *("\u00a0", "\x85", "{#", "#}", "/*+", "1.5e", ".", "::", "[", "]", "=", ",", "$é$", "{{", "{%"),
)


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql).statements]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text())
def test_no_text_raises_and_spans_join_back(text: str) -> None:
    parts = split(text)
    joined = "".join(text[s.outer_start : s.outer_end] for s in parts.statements)
    assert joined + text[parts.trailing_start :] == text
    for statement in read_script(text).statements:
        assert text[statement.start : statement.end] == statement.text
        assert statement.text == statement.text.strip()
        assert statement.operations
        assert statement.unread is None or len(statement.operations) == 1
    for comment in parts.comments:
        assert text[comment.start : comment.end] == comment.text


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_a_statement_split_off_is_split_no_further(text: str) -> None:
    for statement in split(text).statements:
        if not statement.problem and statement.kind is StatementKind.SQL:
            assert texts(statement.text) == [statement.text]


@pytest.mark.parametrize(
    "one",
    [
        "select 'a;b', E'it\\'s;', \"x;y\", $$ ; $$, $tag$ $$ ; $tag$, U&'\\0041;'",
        "select /* ; /* nested ; */ ; */ 1 -- ; more\n, 2",
        "create function f() returns int begin atomic select 1; select case when a then 2 end; end",
        "create procedure p() language sql begin atomic insert into t values (1); end",
        f"create /* {'long ' * 100} ** */ procedure p() begin -- here\n atomic insert into t values (1); end",
        "create or replace rule r as on insert to t do also (insert into u values (1); delete from v)",
        "select a$b$c, d$b$",
        "select 'a\\'",
    ],
)
def test_semicolons_inside_do_not_end_a_statement(one: str) -> None:
    assert texts(f"{one};\nselect 2") == [one, "select 2"]


def test_data_of_copy_belongs_to_its_statement() -> None:
    text = "COPY t FROM stdin;\n1\tdrop table x;\n\\.\nSELECT 1;"
    first, second = split(text).statements
    assert first.text == "COPY t FROM stdin"
    assert text[first.outer_start : first.outer_end].endswith("\\.\n")
    assert second.text == "SELECT 1"


def test_lines_for_psql_are_statements_of_their_own() -> None:
    statements = split("\\restrict abc\n\\connect db\nselect 1 \\gexec\nselect 2").statements
    assert [s.text for s in statements] == [
        "\\restrict abc",
        "\\connect db",
        "select 1",
        "\\gexec",
        "select 2",
    ]
    assert [s.kind is StatementKind.META for s in statements] == [True, True, False, True, False]


def test_what_psql_would_run_from_elsewhere_is_unread() -> None:
    for line in ("\\i other.sql", "\\gexec", "\\! rm x", "\\copy t from x"):
        (statement,) = read_script(line).statements
        assert isinstance(statement.operations[0], Unread)


@pytest.mark.parametrize("rest", ["'abc", '"abc', "$a$ abc", "/* abc", "E'abc\\'"])
def test_what_does_not_end_makes_the_rest_one_statement_with_a_reason(rest: str) -> None:
    first, second = split(f"select 1; select {rest}; select 2").statements
    assert not first.problem
    assert "does not end" in second.problem


def test_comments_before_a_statement_are_its_own() -> None:
    first, second = split("-- one\nselect 1; -- two\n/* three */ select 2").statements
    assert [comment.text for comment in first.comments] == ["-- one"]
    assert [comment.text for comment in second.comments] == ["-- two", "/* three */"]
    assert second.text == "select 2"


def test_lines_and_columns_count_code_points_from_one() -> None:
    lines = Lines("\ufeffa\r\nb😀c\rd")
    assert [lines.position(offset) for offset in (1, 4, 6, 8)] == [
        Position(1, 1),
        Position(2, 1),
        Position(2, 3),
        Position(3, 1),
    ]
    assert lines.line(1) == "a"
    assert lines.line(2) == "b😀c"


@pytest.mark.parametrize(
    "unit",
    ["'", '"', "$$", "$a$ ", "/*", "--\n", "E'\\", "(", ";", "\\", "a$", "copy t from stdin;\n", "1,", "E''"],
)
def test_time_is_linear_whatever_is_repeated(unit: str) -> None:
    def seconds(count: int) -> float:
        started = time.perf_counter()
        split(unit * count)
        return time.perf_counter() - started

    small, large = min(seconds(5_000) for _ in range(3)), min(seconds(50_000) for _ in range(3))
    assert large < 40 * small + 0.05


@pytest.mark.timeout(10)
@pytest.mark.parametrize("comment", ["--a", "/**/", "/*a", "*/", " "])
def test_comments_behind_create_take_no_exponential_time(comment: str) -> None:
    text = f"create {comment * 200}\ntable t (a int)"
    assert "".join(statement.text for statement in split(text).statements) in {text, text.strip()}
