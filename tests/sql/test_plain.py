"""Plain statements are read by a way of their own: it has to see what sqlglot's tokenizer sees."""

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from migsafe.sql.lex import Tokens, lex, lex_thoroughly
from migsafe.sql.plain import plain_tokens
from migsafe.sql.split import split

PIECES = [
    *(
        "select",
        "Alter",
        "TABLE",
        "begin",
        "e",
        "U",
        "x",
        "n",
        "b",
        "user",
        "group",
        "by",
        "not",
        "null",
        "a_1",
    ),
    *("double", "precision", "with", "time", "zone", "order", "copy", "do", "show", "comment", "a" * 70),
    *(
        ".",
        ",",
        "(",
        ")",
        "[",
        "]",
        "=",
        "<",
        ">",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "|",
        ":",
        "&",
        "#",
        "~",
        "^",
    ),
    *("::", ":=", "<=", ">=", "<>", "!=", "->", "->>", "||", "..", "=>", "--", "/*", "*/", "@>", "?"),
    *("1", "23", "4.5", "6.", ".7", "8e9", "0x1f", "1_000", "'a'", "'it''s'", "''", '"B c"', '"d""e"', '""'),
    *(
        "'",
        '"',
        "'a\\'",
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "\f",
        "$",
        "$1",
        "$$",
        "\\",
        ";",
        "{",
        "`",
        "é",
        "\0",
    ),
]


def columns(tokens: Tokens) -> list[tuple[object, ...]]:
    return [*zip(tokens.kinds, tokens.words, tokens.starts, tokens.ends, strict=True)]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20))
@settings(max_examples=3_000)
@example("1.5")
@example("a.5")
@example("'a'\n'b'")
@example("x = -1")
@example("SELECT 1--")
def test_plain_tokens_are_those_of_sqlglot(text: str) -> None:
    found = plain_tokens(text)
    if found is not None:
        assert columns(found) == columns(lex_thoroughly(text))


def test_of_real_statements_most_are_plain_and_read_as_sqlglot_reads_them() -> None:
    folder = Path(__file__).parent
    texts = [
        statement.text
        for path in (folder / "valid.sql", *sorted(folder.glob("corpus/*.sql")))
        for statement in split(path.read_text(encoding="utf-8")).statements
    ]
    plain = [(text, found) for text in texts if (found := plain_tokens(text)) is not None]
    assert len(plain) > 0.8 * len(texts)
    assert [text for text, found in plain if columns(found) != columns(lex_thoroughly(text))] == []


def test_what_is_not_plain_is_read_all_the_same() -> None:
    assert plain_tokens("SELECT E'\\n' -- x") is None
    assert [token.value for token in lex("SELECT E'\\n' -- x")] == ["select", "\n"]
