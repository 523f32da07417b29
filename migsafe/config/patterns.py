"""Path patterns: `*` and `?` stay within a folder, `**` goes through any number of them."""

import re
from functools import lru_cache

_TOKEN = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)


def matches(path: str, pattern: str) -> bool:
    """Whether a path, with `/` between its parts, is what the pattern says or lies inside of it.

    A pattern without a `/` is a name that may stand in any folder. A pattern of a folder stands for
    everything in it.
    """
    return _compiled(pattern).fullmatch(path.removeprefix("./")) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    anywhere = "/" not in pattern.rstrip("/")
    pieces = (_piece(token) for token in _TOKEN.findall(pattern.removeprefix("./").rstrip("/")))
    return re.compile(f"{'(?:.*/)?' if anywhere else ''}{''.join(pieces)}(?:/.*)?", re.DOTALL)


def _piece(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "/.*"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if token.startswith("[") and len(token) > 1:
            return _characters(token[1:-1])
        case _:
            return re.escape(token)


def _characters(inside: str) -> str:
    negated = inside.startswith("!")
    inside = inside.removeprefix("!")
    escaped = "".join(_range(found[0], found[-1]) for found in re.findall(r".-.|.", inside, re.DOTALL))
    if not escaped:
        return "[^/]" if negated else "(?!)"
    return f"[^/{escaped}]" if negated else f"[{escaped}]"


def _range(first: str, last: str) -> str:
    """All characters from one to the other; none when they are turned round."""
    if first == last:
        return re.escape(first)
    return f"{re.escape(first)}-{re.escape(last)}" if first < last else ""
