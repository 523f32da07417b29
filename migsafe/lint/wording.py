"""Facts that stand in the words of a statement that has no operation of its own.

Words are unquoted, folded and in order; what stands in strings, quoted names and comments is none.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from migsafe.lint.facts import Facts
from migsafe.sql.lex import TokenKind
from migsafe.sql.statement_tokens import tokens_of

# What a member of these roles may do that others may not.
_POWERS = frozenset({"superuser", "bypassrls", "createrole", "replication"})
_DEFAULTS = frozenset({"ALTER DATABASE", "ALTER ROLE", "ALTER USER", "ALTER SYSTEM"})
_ROLES = frozenset({"ALTER ROLE", "ALTER USER", "CREATE ROLE", "CREATE USER"})
_TOLD_BY_WORDS = _DEFAULTS | {
    *("GRANT", "CREATE ROLE", "CREATE USER", "CREATE RULE", "CREATE EXTENSION", "ALTER EXTENSION"),
    *("ALTER PUBLICATION", "ALTER SEQUENCE", "TRUNCATE"),
}
_REPLACES = re.compile(r"create\s+or\s+replace\b", re.IGNORECASE)
_DEFINER = re.compile(r"\bsecurity\s+definer\b", re.IGNORECASE)


@lru_cache(maxsize=4)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a statement, in order."""
    return tuple(token.value for token in tokens_of(text) if token.kind is TokenKind.WORD)


# What has no name that could be looked up is called by what it is about.
_UNNAMED = re.compile(r"DROP\s+(?:CAST|OPERATOR(?:\s+(?:CLASS|FAMILY))?)\b", re.IGNORECASE)
_BESIDE = re.compile(r"IF EXISTS | (?:CASCADE|RESTRICT)\Z", re.IGNORECASE)


def names_in(text: str) -> frozenset[str]:
    """Everything in a statement that may be a name."""
    names = {TokenKind.WORD, TokenKind.QUOTED}
    return frozenset(token.value for token in tokens_of(text) if token.kind in names)


def read_words(facts: Facts, text: str) -> None:
    """Fills in what a statement other than about tables and rows says, by its tag."""
    tag = facts.tag
    if not facts.object and (dropped := _UNNAMED.match(text)):
        facts.object = _BESIDE.sub("", " ".join(text[dropped.end() :].rstrip("; \n").split()))
    if _REPLACES.match(text):
        facts.change = "replace"
    if tag.endswith((" FUNCTION", " PROCEDURE", " ROUTINE")):
        facts.definer_without_path = bool(_DEFINER.search(text)) and _is_unpinned(words_of(text))
    elif tag in _TOLD_BY_WORDS:
        _read(facts, tag, words_of(text))


def _is_unpinned(words: Sequence[str]) -> bool:
    return _says(words, "security", "definer") and not _says(words, "set", "search_path")


def _read(facts: Facts, tag: str, words: Sequence[str]) -> None:
    if tag == "GRANT":
        facts.to_public = _grants_to_public(words)
    elif tag in _ROLES and _POWERS & set(words):
        facts.powerful_role = True
    elif tag == "CREATE RULE":
        facts.instead_rule = "instead" in words
    elif tag in {"CREATE EXTENSION", "ALTER EXTENSION"}:
        facts.version_pinned = "version" in words or _says(words, "update", "to")
    elif tag == "ALTER PUBLICATION":
        facts.drops_part = bool({"drop", "set"} & set(words[3:4]))
    if tag in _DEFAULTS:
        facts.sets_default = tag == "ALTER SYSTEM" or bool({"set", "reset"} & set(words[3:]))
    facts.restarts = tag in {"ALTER SEQUENCE", "TRUNCATE"} and "restart" in words


def _says(words: Sequence[str], *wanted: str) -> bool:
    """Whether these words stand one behind the other."""
    size = len(wanted)
    return any(tuple(words[at : at + size]) == wanted for at in range(len(words) - size + 1))


def _grants_to_public(words: Sequence[str]) -> bool:
    """Whether PUBLIC is among the grantees: they stand behind the last TO."""
    if "to" not in words:
        return False
    grantees = words[len(words) - list(reversed(words)).index("to") :]
    return "public" in grantees
