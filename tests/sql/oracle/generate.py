"""Statements made up for the comparison with the oracle: from the grammar, and by changing known ones."""

from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from migsafe.sql.grammar.notation import (
    Choice,
    Labelled,
    Listed,
    Many,
    Maybe,
    Node,
    Reference,
    Sequence,
    Word,
    rules,
)
from migsafe.sql.lex import lex

CORPUS = Path(__file__).parent.parent / "corpus"
# What is new in PostgreSQL 19 is not in the oracle, which is PostgreSQL 18.
_NEXT_VERSION = frozenset(
    {"REPACK", "WAIT FOR", "CREATE PROPERTY GRAPH", "ALTER PROPERTY GRAPH", "DROP PROPERTY GRAPH"}
)
_DEEPEST = 12
# What stands for each primitive of the grammar.
_PIECES: dict[str, tuple[str, ...]] = {
    "any_operator": ("=", "<>", "@>", "s.+"),
    "brackets": ("(1)", "(a, b)", "()"),
    "class_name": ("text_ops", "s.o"),
    "column_name": ("t.c", "s.t.c", 't."C"'),
    "condition": ("(a = 1)", "(f(a) is not null)", "((a))"),
    "default": ("1", "now()", "'x'::text", "(a + 1)"),
    "function_argument": ("int", "a int", "in a text", "out b s.t", "variadic c int[]", "inout x varchar(3)"),
    "label": ("a", "select", '"L"', "none"),
    "name": ("n", '"N"', "insert", "éa"),
    "number": ("1", "-2", "+3", "1.5"),
    "object_name": ("n", '"N"'),
    "qname": ("q", "s.q", "d.s.q", '"S"."Q"'),
    "rest": ("select 1", "select a from t", "delete from t"),
    "routine_name": ("f", "s.f", "left"),
    "rule_condition": ("a = 1", "old.a > 2"),
    "schema_name": ("n", '"N"'),
    "string": ("'x'", "E'\\n'", "$$y$$", "U&'\\0061'"),
    "table_name": ("t", "s.t"),
    "to_comma": ("a + 1", "f(a, b)", "case when a then b end"),
    "type": (
        "int",
        "text[]",
        "s.t",
        "numeric(5, 2)",
        "timestamp with time zone",
        "double precision",
        "bit(3)",
    ),
    "unreserved": ("u", '"U"', "left"),
    "value": ("1", "'x'", "now()"),
}


def from_the_grammar() -> SearchStrategy[str]:
    """A statement that some rule of the grammar fits: also such as PostgreSQL refuses."""
    tags = sorted(tag for tag in rules() if tag[0].isupper() and tag not in _NEXT_VERSION)
    return _from_rule(tags)


@st.composite
def _from_rule(draw: DrawFn, tags: list[str]) -> str:
    return " ".join(_sentence(draw, rules()[draw(st.sampled_from(tags))], 0))


def _sentence(draw: DrawFn, node: Node, depth: int) -> list[str]:
    match node:
        case Word(text):
            return [text]
        case Reference(name):
            if name in _PIECES:
                return [draw(st.sampled_from(_PIECES[name]))]
            return _sentence(draw, rules()[name], depth + 1)
        case Sequence(parts):
            return [word for part in parts for word in _sentence(draw, part, depth)]
        case Choice(options):
            return _sentence(draw, options[0] if depth > _DEEPEST else draw(st.sampled_from(options)), depth)
        case Maybe(inner):
            return _sentence(draw, inner, depth + 1) if depth <= _DEEPEST and draw(st.booleans()) else []
        case Many(inner):
            count = 0 if depth > _DEEPEST else draw(st.integers(0, 2))
            return [word for _ in range(count) for word in _sentence(draw, inner, depth + 1)]
        case Listed(inner):
            words = _sentence(draw, inner, depth + 1)
            return [*words, ",", *_sentence(draw, inner, depth + 1)] if draw(st.booleans()) else words
        case Labelled(_, inner):
            return _sentence(draw, inner, depth)


def known_ones() -> list[tuple[str, ...]]:
    """The tokens of every statement of the corpus."""
    texts = [
        line.removesuffix(";")
        for path in sorted(CORPUS.glob("*.sql"))
        for line in path.read_text().splitlines()
    ]
    return [tuple(token.text for token in lex(text)) for text in texts]


@st.composite
def changed(draw: DrawFn, known: list[tuple[str, ...]]) -> str:
    """A known statement with one to three changes: tokens left out, added, or taken from another one."""
    tokens = list(draw(st.sampled_from(known)))
    for _ in range(draw(st.integers(1, 3))):
        other = draw(st.sampled_from(known))
        at = draw(st.integers(0, len(tokens)))
        first = draw(st.integers(0, len(other) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del tokens[at : at + 1]
            case 1:
                tokens[at : at + 1] = [other[first]]
            case 2:
                tokens[at:at] = other[first : first + draw(st.integers(1, 4))]
            case _:
                tokens[at:] = other[first:]
    return " ".join(tokens)
