"""Makes statements from templates: [x] may be left out, {x|y} is a choice.

Every alternative of every choice is in at least one statement. Running this file writes corpus/ again.
"""

import random
from collections.abc import Iterator
from pathlib import Path

Part = str | list["Choice"]
# How often nothing new may come before a template counts as used up: choices inside of choices need luck.
PATIENCE = 20
HERE = Path(__file__).parent


class Choice:
    """Alternatives, each a sequence of texts and choices; an option has the empty text as its last one."""

    def __init__(self, options: list[list["str | Choice"]]) -> None:
        self.options = options
        self.used = 0


def parse(text: str) -> list["str | Choice"]:
    """A template as a sequence."""
    sequence, end = _sequence(text, 0, "")
    if end != len(text):
        raise ValueError(f"a bracket too many in {text!r} at {end}")
    return sequence[0]


def _sequence(text: str, at: int, close: str) -> tuple[list[list["str | Choice"]], int]:
    options: list[list[str | Choice]] = [[""]]
    quote = ""
    while at < len(text):
        char = text[at]
        here = options[-1]
        if quote or char in "'\"":
            quote = "" if char == quote else quote or char
        elif char == close and close:
            return options, at
        elif char == "|" and close:
            options.append([""])
            at += 1
            continue
        elif char == "{" or (char == "[" and _is_option(text, at)):
            inner, at = _sequence(text, at + 1, "}" if char == "{" else "]")
            if char == "[":
                inner.append([""])
            here += [Choice(inner), ""]
            at += 1
            continue
        here[-1] = f"{here[-1]}{char}"
        at += 1
    return options, at


def _is_option(text: str, at: int) -> bool:
    """Whether a bracket is the notation's and not SQL's: `int[]`, `array[1]`."""
    return not (at and (text[at - 1].isalnum() or text[at - 1] in "])"))


def expand(template: str, chance: random.Random) -> Iterator[str]:
    """Statements in which every alternative is used at least once."""
    sequence = parse(template)
    seen: set[str] = set()
    without_news = 0
    while without_news < PATIENCE:
        fresh: list[bool] = []
        statement = " ".join(_make(sequence, chance, fresh).split())
        without_news = 0 if fresh else without_news + 1
        if (fresh or not seen) and statement not in seen:
            seen.add(statement)
            yield statement


def _has_news(sequence: list["str | Choice"]) -> bool:
    """Whether an alternative somewhere in it was not used yet."""
    return any(
        part.used < len(part.options) or any(map(_has_news, part.options))
        for part in sequence
        if isinstance(part, Choice)
    )


def _make(sequence: list["str | Choice"], chance: random.Random, fresh: list[bool]) -> str:
    made = []
    for part in sequence:
        if isinstance(part, str):
            made.append(part)
            continue
        if part.used < len(part.options):
            option = part.options[part.used]
            part.used += 1
            fresh.append(True)
        else:
            unfinished = [option for option in part.options if _has_news(option)]
            option = chance.choice(unfinished or part.options)
        made.append(_make(option, chance, fresh))
    return "".join(made)


def statements() -> dict[str, list[str]]:
    """All statements of the corpus, by the file they go into: the template's first word."""
    chance = random.Random(18)
    found: dict[str, list[str]] = {}
    for template in (HERE / "templates.txt").read_text().splitlines():
        made = list(expand(template, chance))
        for _ in range(15):
            made += expand(template, chance)
        key = made[0].split()[0].strip("(").lower()
        found.setdefault(key if key in {"alter", "create", "drop"} else "other", []).extend(made)
    return {key: list(dict.fromkeys(each)) for key, each in found.items()}


def write() -> None:
    """Writes the corpus again, without what PostgreSQL's parser does not accept."""
    from tests.sql.oracle.pg import accepts  # noqa: PLC0415 -- the templates can be expanded without the oracle

    for name, each in statements().items():
        valid = [statement for statement in each if accepts(statement)]
        rejected = [statement for statement in each if not accepts(statement)]
        (HERE.parent / "corpus").mkdir(exist_ok=True)
        (HERE.parent / "corpus" / f"{name}.sql").write_text("".join(f"{each};\n" for each in valid))
        (HERE.parent / "corpus" / f"{name}.rejected").write_text("".join(f"{each};\n" for each in rejected))


if __name__ == "__main__":
    write()
