"""Any text can be read: no exception, spans that join back, time linear in the length."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migsafe.sql.script import read_script

PIECES = (
    *(
        "alter table ",
        "create table t ",
        "do $$ ",
        "begin ",
        "end ",
        "$$",
        "if ",
        "then ",
        "loop ",
        "execute ",
    ),
    *(
        "'",
        '"',
        "(",
        ")",
        ";",
        ",",
        "::",
        "${x}",
        "{{ x }}",
        ":x",
        "%(x)s",
        "@x@",
        "{%",
        "{{",
        "--",
        "/*",
        "*/",
    ),
    *(
        "select ",
        "from ",
        "with ",
        "as ",
        "a ",
        "1 ",
        "1e",
        "0x",
        "U&'",
        "E'\\",
        "\\gexec\n",
        "copy t from stdin;\n",
    ),
    *(
        "create function f() ",
        "language sql ",
        "drop ",
        "grant ",
        "create schema s ",
        "case ",
        "when ",
        "[",
        "]",
    ),
    *(
        "add c int ",
        "default ",
        "check ",
        "references u ",
        "partition of ",
        "values ",
        "insert into t ",
        "\n",
        "\\.",
    ),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text())
def test_nothing_raises_and_every_part_is_in_its_statement(text: str) -> None:
    script = read_script(text)
    for statement in script.statements:
        assert text[statement.start : statement.end] == statement.text
        assert statement.parts
        for part in statement.parts:
            assert statement.start <= part.start <= part.end <= statement.end


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "(",
            "[",
            "select (",
            "a.",
            "a,",
            "'a' ",
            "case when ",
            "with a as (",
            "${",
            "{{",
            "{% ",
            ":x ",
            "1 ",
        ),
        *(
            "select * from a, ",
            "alter table t add c int, ",
            "do $$ begin ",
            "if a then ",
            "begin ",
            "/* ",
            "E'\\''",
        ),
        *(
            "create schema s create table t (a int) ",
            "or ",
            "create table t (a int default (",
            "exclude (",
            "$a$ ",
        ),
        *("grant a, ", "not ", "union select ", "<< ", "'a'\n", "copy t from stdin;\n\\.\n", "U&'\\0061' "),
    ],
)
@pytest.mark.proof
def test_reading_takes_linear_time(unit: str) -> None:
    def seconds(text: str) -> float:
        started = time.process_time()
        read_script(text)
        return time.process_time() - started

    for head in ("", "select ", "do $$ begin "):
        small = min(seconds(head + unit * 1_000) for _ in range(2))
        large = min(seconds(head + unit * 10_000) for _ in range(3))
        assert large < 40 * small + 0.1, (head, unit)
