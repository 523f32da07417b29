"""What people say to migsafe in comments: `-- migsafe: allow RULE: REASON` and the like.

allow RULE[, RULE]: REASON        findings of the statement are accepted
allow-file RULE[, RULE]: REASON   findings of the whole script are accepted
phase expand|backfill|contract    when the script runs
transaction always|never          whether the tool opens a transaction around the script
up EXPRESSION                     how a plan gets the new value from the old row, where it cannot guess
down EXPRESSION                   how it gets the old value from the new row
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from migsafe.suggest import did_you_mean

ALLOW, ALLOW_FILE, PHASE, TRANSACTION = "allow", "allow-file", "phase", "transaction"
UP, DOWN = "up", "down"
WORDS = {PHASE: ("expand", "backfill", "contract"), TRANSACTION: ("always", "never")}
_EXPRESSIONS = (UP, DOWN)
_VERBS = (ALLOW, ALLOW_FILE, *WORDS, *_EXPRESSIONS)

_OURS = re.compile(r"\s*migsafe\s*:(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
# Somebody meant us and did not know how to say it.
_NEARLY = re.compile(
    r"\s*migsafe[\s_:-]*(?:allow|ignore|disable|suppress|nolint|noqa|phase|transaction|up|down)(?![\w])",
    re.IGNORECASE,
)
_MARK = re.compile(r"--+|/\*+|#+")
_LINE_START = re.compile(r"^[ \t]*\**[ \t]*")
_RULE = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One of them: `names` are rules, or the one word of `phase` and `transaction`.

    `expression` is that of `up` and `down`, as it was written.
    `start` and `end` are the offsets of the comment in the script. With a `problem` it means nothing.
    """

    verb: str
    names: tuple[str, ...] = ()
    reason: str = ""
    expression: str = ""
    start: int = 0
    end: int = 0
    problem: str = ""


def read_directives(comment: str, start: int = 0) -> tuple[Directive, ...]:
    """What a comment says to us, with its marks; a block comment may say several things, one a line."""
    if "migsafe" not in comment.lower():
        return ()
    end = start + len(comment)
    return tuple(replace(_directive(text), start=start, end=end) for text in _texts(comment))


def as_sql_comment(comment: str) -> str:
    """A `#` comment of another language as the comment of SQL that says the same, "" if it is not for us."""
    text = _MARK.sub("", comment.strip(), count=1).strip()
    if not (_OURS.match(text) or _NEARLY.match(text)):
        return ""
    return f"-- {' '.join(text.split())}"


def _texts(comment: str) -> Iterator[str]:
    body = _MARK.sub("", comment.removesuffix("*/"), count=1)
    current = ""
    for line in body.splitlines():
        text = _LINE_START.sub("", line)
        if _OURS.match(text) or _NEARLY.match(text):
            if current:
                yield current
            current = text
        elif current:
            current = f"{current} {text}"
    if current:
        yield current


def _directive(text: str) -> Directive:
    ours = _OURS.match(text)
    if ours is None:
        return Directive(verb="", problem="write it as `migsafe: allow RULE: REASON`")
    rest = " ".join(ours["rest"].split())
    verb = re.split(r"[\s:]", rest, maxsplit=1)[0].lower()
    said = rest[len(verb) :].strip()
    if verb in {ALLOW, ALLOW_FILE}:
        return _allow(verb, said)
    if verb in WORDS:
        word, _, reason = said.partition(":")
        return _word(verb, word.strip().lower(), reason.strip())
    if verb in _EXPRESSIONS:
        written = ours["rest"].strip()[len(verb) :].strip().rstrip(";").rstrip()
        problem = "" if written else f"no expression is given; write `migsafe: {verb} EXPRESSION`"
        return Directive(verb=verb, expression=written, problem=problem)
    known = ", ".join(_VERBS)
    what = f"{verb!r} is not known{did_you_mean(verb, _VERBS)}" if verb else "it says nothing"
    return Directive(verb=verb, problem=f"{what} (known: {known})")


def _allow(verb: str, said: str) -> Directive:
    listed, colon, reason = said.partition(":")
    names = tuple(name.strip() for name in listed.split(",") if name.strip())
    reason = reason.strip()
    if not names:
        return Directive(verb=verb, problem=f"no rule is named; write `migsafe: {verb} RULE: REASON`")
    wrong = next((name for name in names if not _RULE.fullmatch(name)), None)
    if wrong is not None:
        first = wrong.split()[0]
        hint = f"write `migsafe: {verb} {first}: REASON`, and put commas between rules"
        return Directive(verb=verb, problem=f"{wrong!r} is not the name of a rule; {hint}")
    if not colon or not reason:
        return Directive(
            verb=verb,
            problem=f"a reason is required: `migsafe: {verb} {', '.join(names)}: REASON`",
        )
    return Directive(verb=verb, names=names, reason=reason)


def _word(verb: str, word: str, reason: str) -> Directive:
    words = WORDS[verb]
    if word not in words:
        what = f"{verb} cannot be {word!r}{did_you_mean(word, words)}"
        return Directive(verb=verb, problem=f"{what} (possible: {', '.join(words)})")
    return Directive(verb=verb, names=(word,), reason=reason)
