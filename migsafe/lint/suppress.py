"""Comments for migsafe in a script: what they say, and which statements they are about."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migsafe.directives import ALLOW, ALLOW_FILE, PHASE, TRANSACTION, Directive, read_directives
from migsafe.sql.split import Comment, Statement, split

UNUSED = "unused-suppression"
NOWHERE = -1  # no statement follows the comment
_BODY_TAGS = ("do", "create")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One `allow`: findings of this rule that start in the range of offsets are accepted.

    A comment inside a block of code is also about the block as a whole, which starts at `outer`.
    """

    directive: Directive
    rule: str
    start: int
    end: int
    outer: int = -1

    @property
    def is_for_file(self) -> bool:
        """Whether it is about the whole script."""
        return self.directive.verb == ALLOW_FILE

    def covers(self, rule: str, start: int) -> bool:
        """Whether it is about a finding of this rule that starts here."""
        if rule != self.rule:
            return False
        if start < NOWHERE and self.is_for_file:
            return True
        return self.start <= start <= self.end or start == self.outer


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An `allow` of something that is no rule."""

    directive: Directive
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comments:
    """What the comments of one script say to us. `phase` and `transaction` are "" when nothing is said."""

    allowances: tuple[Allowance, ...] = ()
    malformed: tuple[Directive, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    phase: str = ""
    transaction: str = ""


NOTHING = Comments()


def read_comments(text: str, known: Mapping[str, str]) -> Comments:
    """What a script's comments say to us; `known` has the name of every rule, by name and by id."""
    if "migsafe" not in text.lower():
        return NOTHING
    allowances: list[Allowance] = []
    malformed: list[Directive] = []
    unknown: list[Unknown] = []
    words: dict[str, Directive] = {}
    for directive, span, outer in _directives(text):
        if directive.problem:
            malformed.append(directive)
        elif directive.verb in {ALLOW, ALLOW_FILE}:
            start, end = (0, len(text)) if directive.verb == ALLOW_FILE else span
            for name in directive.names:
                rule = known.get(name) or known.get(name.upper())
                if rule is None:
                    unknown.append(Unknown(directive=directive, name=name))
                else:
                    allowances.append(
                        Allowance(directive=directive, rule=rule, start=start, end=end, outer=outer)
                    )
        elif directive.expression:
            continue  # for `migsafe plan`
        elif directive.verb in words and words[directive.verb].names != directive.names:
            malformed.append(_contradiction(directive, words[directive.verb]))
        else:
            words[directive.verb] = directive
    return Comments(
        allowances=tuple(allowances),
        malformed=tuple(malformed),
        unknown=tuple(unknown),
        phase=words[PHASE].names[0] if PHASE in words else "",
        transaction=words[TRANSACTION].names[0] if TRANSACTION in words else "",
    )


def start_of_problem(number: int) -> int:
    """Where a part that could not be rendered counts as starting: nowhere that a statement starts."""
    return -2 - number


def about_problems(comments: Comments, text: str, places: Sequence[int]) -> Comments:
    """The comments, of which those that stand right before a part that could not be rendered are about it.

    `places` are the offsets where these parts would stand in the script.
    """
    if not places or not comments.allowances:
        return comments
    return replace(comments, allowances=tuple(_about(each, text, places) for each in comments.allowances))


def _about(allowance: Allowance, text: str, places: Sequence[int]) -> Allowance:
    comment = allowance.directive
    if allowance.is_for_file or NOWHERE < allowance.start < comment.start:
        return allowance  # it is about the file, or about the statement that it stands in or behind
    for number, place in enumerate(places):
        if comment.end <= place and not _has_statement(text[comment.end : place]):
            at = start_of_problem(number)
            return replace(allowance, start=at, end=at, outer=-1)
    return allowance


def _has_statement(text: str) -> bool:
    return bool(text.strip()) and bool(split(text).statements)


def _contradiction(directive: Directive, earlier: Directive) -> Directive:
    problem = f"the script says {directive.verb} {earlier.names[0]} before; it can have one only"
    return Directive(verb=directive.verb, start=directive.start, end=directive.end, problem=problem)


def _directives(
    text: str, base: int = 0, outer: int = -1
) -> Iterator[tuple[Directive, tuple[int, int], int]]:
    """Every directive with the range of the statement that it is about, and the start of the block around."""
    parts = split(text)
    for comment in parts.comments:
        for directive in read_directives(comment.text, base + comment.start):
            about = _statement(parts.statements, comment, text)
            span = (base + about.start, base + about.end) if about else (NOWHERE, NOWHERE)
            yield directive, span, outer
    for statement in parts.statements:
        around = outer if outer >= 0 else base + statement.start
        for start, end in _bodies(statement, text):
            yield from _directives(text[start:end], base + start, around)


def _statement(statements: tuple[Statement, ...], comment: Comment, text: str) -> Statement | None:
    """The statement that the comment is in, else the one that ends before it on its line, else the next.

    A comment that has a statement before and behind it on its line belongs to the one behind it.
    """
    before: Statement | None = None
    for statement in statements:
        if statement.start <= comment.start < statement.end:
            return statement
        if statement.start > comment.start:
            is_followed = not set("\r\n") & set(text[comment.end : statement.start])
            return statement if before is None or is_followed else before
        is_on_line = not set("\r\n") & set(text[statement.end : comment.start])
        before = statement if is_on_line and statement.end <= comment.start else None
    return before


def _bodies(statement: Statement, text: str) -> Iterator[tuple[int, int]]:
    """The text between the dollar quotes of a DO block or a routine: comments in it are comments, too."""
    code = text[statement.start : statement.end]
    if "migsafe" not in code or not code.lower().startswith(_BODY_TAGS):
        return
    at = 0
    while (start := code.find("$", at)) >= 0:
        stop = code.find("$", start + 1)
        tag = code[start : stop + 1] if stop >= 0 else ""
        if not tag or not all(letter.isalnum() or letter == "_" for letter in tag[1:-1]):
            at = start + 1
            continue
        end = code.find(tag, stop + 1)
        if end < 0:
            return
        yield statement.start + stop + 1, statement.start + end
        at = end + len(tag)


def names_and_ids(rules: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every rule's name, by its name and by its id; from pairs of name and id."""
    return {key: name for name, id_ in rules for key in (name, id_)}
