"""What was probably meant: for every message about a word that is not known."""

from collections.abc import Iterable


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest known word, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415  # only a mistake needs it

    words = {word.lower().replace("_", "-"): word for word in known}
    close = get_close_matches(wrong.lower().replace("_", "-"), list(words), n=1, cutoff=0.5)
    return f"; did you mean '{words[close[0]]}'?" if close else ""
