"""Statements that nobody wrote: whatever PostgreSQL's parser accepts is read, and read as the same."""

import pytest
from hypothesis import assume, given, settings
from pglast import parser

from migsafe.sql.lex import Unlexable, lex
from migsafe.sql.script import read_script
from tests.sql.oracle.generate import changed, from_the_grammar, known_ones
from tests.sql.oracle.ours import seen
from tests.sql.oracle.pg import accepts, see

KNOWN = known_ones()


def check(text: str) -> bool:
    """Compares what both read; whether the oracle accepts the text."""
    if not accepts(text) or len(parser.parse_sql(text)) != 1:
        return False
    (statement,) = read_script(text).statements
    assert statement.unread is None, (text, statement.unread)
    oracle = see(text)
    if oracle.tag != "DO":
        assert oracle == seen(statement.operations), text
    return True


@settings(max_examples=400, derandomize=True)
@given(from_the_grammar())
def test_what_the_grammar_makes_is_what_the_oracle_says(text: str) -> None:
    check(text)


@settings(max_examples=400, derandomize=True)
@given(changed(KNOWN))
def test_a_changed_statement_is_what_the_oracle_says(text: str) -> None:
    # INTO in a query inside of another one is refused by the server, and accepted by its parser.
    assume(text.count("into") < 2 and not (text.startswith(("create", "with", "declare")) and "into" in text))
    check(text)


@pytest.mark.proof
@settings(max_examples=20_000, deadline=None)
@given(from_the_grammar())
def test_many_of_the_grammar(text: str) -> None:
    check(text)


@pytest.mark.proof
@settings(max_examples=20_000, deadline=None)
@given(changed(KNOWN))
def test_many_changed_ones(text: str) -> None:
    assume(text.count("into") < 2 and not (text.startswith(("create", "with", "declare")) and "into" in text))
    check(text)


@settings(max_examples=400, derandomize=True)
@given(changed(KNOWN))
def test_tokens_of_a_changed_statement_are_those_of_the_oracle(text: str) -> None:
    try:
        theirs = [text.encode()[t.start : t.end + 1].decode() for t in parser.scan(text)]
        ours = [token.text for token in lex(text)]
    except (parser.ParseError, Unlexable):
        assume(False)
    else:
        assert ours == theirs
