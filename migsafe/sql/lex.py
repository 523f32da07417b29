"""One statement's tokens by PostgreSQL's lexical rules, with names folded as PostgreSQL folds them.

sqlglot's tokenizer finds them. What it does differently from PostgreSQL is kept from it or put right here:
what it reads otherwise (comments, dollar quotes, E'' and U&'' strings, names that are not ASCII ...) is
overwritten with something of the same length that it reads as PostgreSQL does; keywords of several words
are cut apart, and signs that stand together become the operators that PostgreSQL makes of them.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from threading import local
from typing import TYPE_CHECKING

from migsafe.sql.names import MAX_IDENTIFIER_BYTES, NAME_PART, NAME_START
from migsafe.sql.tokens import NUMBER, OTHER, QUOTED, STRING, WORD, Token, TokenKind, Tokens, shorten
from migsafe.sql.unlike import disguised, needs_disguise
from migsafe.sql.values import Unlexable

if TYPE_CHECKING:
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.tokenizer_core import Token as Found

__all__ = ["PLACEHOLDER", "Token", "TokenKind", "Tokens", "Unlexable", "fold", "lex", "lex_template"]

# Placeholders of template languages and drivers, where a name, a value or a part of a name may stand.
PLACEHOLDER = re.compile(
    r"""\$\{[^{}\n]{1,200}\}|\{\{[^\n]{1,200}?\}\}|\{%[^\n]{1,200}?%\}|%\(\w{1,100}\)s|@[A-Za-z_]\w{0,100}@
    |(?<![\w\]):]):(?:[A-Za-z_]\w{0,100}|'\w{1,100}'|"\w{1,100}")""",
    re.VERBOSE,
)
# A word in front: sqlglot takes what follows some first words (DO, SHOW, COMMENT ...) as one opaque string.
_GUARD = "x "
_GUARDED = len(_GUARD)
_NAME = re.compile(f"{NAME_START}{NAME_PART}*+")
_OPERATOR = re.compile(r"::|:=|\.\.|[:.]|[-+*/<>=~!@#%^&|`?]++")
_MAY_END_IN_SIGN = re.compile(r"[~!@#%^&|`?]")
# What a token is, by its first character; every other character begins a word.
_KINDS = (
    dict.fromkeys("(),;[]", "sign")
    | dict.fromkeys("+-*/<>=~!@#%^&|`?:.", "operator")
    | dict.fromkeys("0123456789", "number")
    | {"'": "string", '"': "quoted"}
)


def lex(text: str) -> Tokens:
    """The tokens of one statement. Linear in its length.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read, or that sqlglot cannot.
    """
    plain = not needs_disguise(text)
    guarded = _GUARD + (text if plain else disguised(text))
    try:
        found = _tokenizer().tokenize(guarded)
    except Exception as error:
        # Whatever sqlglot raises, the statement counts as unread; nothing else may come of it.
        raise Unlexable("its words and signs cannot be told apart") from error
    tokens = Tokens(text)
    _fill(tokens, found, guarded, plain=plain)
    if (tokens.ends[-1] if tokens.ends else 0) != len(guarded.rstrip()) - _GUARDED and found[1:]:
        raise Unlexable("something at its end cannot be read")
    return tokens


def _fill(tokens: Tokens, found: "list[Found]", guarded: str, *, plain: bool) -> None:
    """Turns sqlglot's tokens into ours; `plain` says that nothing in the text was overwritten."""
    text, kind_of = tokens.text, _KINDS.get
    kinds, words = tokens.kinds.append, tokens.words.append
    starts, ends = tokens.starts.append, tokens.ends.append
    lower = str.lower if text.isascii() else fold
    signs_start = signs_end = -1
    for item in found[1:]:
        at = item.start
        start, end = at - _GUARDED, item.end + 1 - _GUARDED
        kind = kind_of(guarded[at])
        if kind == "operator":
            if signs_end != start:
                if signs_end >= 0:
                    _operators(tokens, signs_start, signs_end)
                signs_start = start
            signs_end = end
            continue
        if signs_end >= 0:
            _operators(tokens, signs_start, signs_end)
            signs_end = -1
        if kind is None:
            word = item.text.lower() if plain else lower(text[start:end])
            if end - start <= MAX_IDENTIFIER_BYTES and word.isidentifier():
                kinds(WORD)
                words(word)
                starts(start)
                ends(end)
            else:
                _words(tokens, guarded, start, end)
        elif kind == "sign":
            kinds(OTHER)
            words(text[start])
            starts(start)
            ends(end)
        else:
            _constant(tokens, kind, start, end)
    if signs_end >= 0:
        _operators(tokens, signs_start, signs_end)


def lex_template(text: str) -> Tokens:
    """The tokens of a statement with placeholders in it: each is, or is part of, a name as if in quotes.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read.
    """
    spans = [found.span() for found in PLACEHOLDER.finditer(text)]
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += [text[at:start], "\x80" * (end - start)]
        at = end
    tokens = lex("".join([*pieces, text[at:]]))
    tokens.text = text
    marked = 0
    for index, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
        while marked < len(spans) and spans[marked][1] <= start:
            marked += 1
        if marked < len(spans) and spans[marked][0] < end and tokens.kinds[index] is WORD:
            is_string = text[start : start + 2] == ":'" and spans[marked] == (start, end)
            tokens.kinds[index] = STRING if is_string else QUOTED
            tokens.words[index] = ""
            tokens.set_value(index, text[start:end])
    return tokens


def fold(text: str) -> str:
    """An unquoted name as PostgreSQL stores it: ASCII letters in lower case, at most 63 bytes."""
    lowered = text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    return shorten(lowered)


class _Own(local):
    """What each thread has of its own: sqlglot's tokenizer keeps the text at hand in itself."""

    tokenizer: "Postgres.Tokenizer | None" = None


_OWN = _Own()


def _tokenizer() -> "Postgres.Tokenizer":
    if _OWN.tokenizer is None:
        # Imported here: it takes a tenth of a second, and nobody who asks for --help should wait for it.
        from sqlglot.dialects.postgres import Postgres  # noqa: PLC0415

        _OWN.tokenizer = Postgres.Tokenizer(dialect=Postgres)
    return _OWN.tokenizer


def _words(tokens: Tokens, guarded: str, start: int, end: int) -> None:
    """A keyword of several words, or a name with more than letters in it."""
    at = start
    for found in _NAME.finditer(guarded, start + _GUARDED, end + _GUARDED):
        first, last = found.start() - _GUARDED, found.end() - _GUARDED
        if guarded[at + _GUARDED : first + _GUARDED].strip(" \t\n\r\f\v"):
            break
        tokens.add(WORD, fold(tokens.text[first:last]), first, last)
        at = last
    if at != end:
        raise Unlexable(f"{tokens.text[start:end]!r} is no name")


def _constant(tokens: Tokens, kind: str, start: int, end: int) -> None:
    if kind == "quoted":
        if end - start < 3:
            raise Unlexable('a name between quotes ("") is empty')
        tokens.add(QUOTED, "", start, end)
    elif kind == "number":
        tokens.add(NUMBER, "", start, end)
    elif not _continues(tokens, start, end):
        tokens.add(STRING, "", start, end)


def _continues(tokens: Tokens, start: int, end: int) -> bool:
    """Whether a string goes on with what was a string before it: a line end must be between them."""
    if not tokens.kinds or tokens.kinds[-1] is not STRING or tokens.text[start] != "'":
        return False
    between = tokens.text[tokens.ends[-1] : start]
    if not between.strip(" \t\n\r\f\v") and ("\n" in between or "\r" in between):
        tokens.ends[-1] = end
        return True
    return False


def _operators(tokens: Tokens, start: int, end: int) -> None:
    """Signs that stand together, cut into PostgreSQL's operators."""
    while start < end:
        found = _OPERATOR.match(tokens.text, start, end)
        if found is None:
            raise Unlexable(f"a character at offset {start} of the statement cannot be read")
        word = found.group()
        if len(word) > 1 and word[-1] in "+-" and not _MAY_END_IN_SIGN.search(word):
            word = word.rstrip("+-") or word[0]
        tokens.add(OTHER, word, start, start + len(word))
        start += len(word)
