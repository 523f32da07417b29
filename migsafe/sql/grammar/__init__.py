"""The grammar of the statements that need no reader of their own, as data, and what applies it."""

from migsafe.sql.grammar.match import Found, match_statement

__all__ = ["Found", "match_statement"]
