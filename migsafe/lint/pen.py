"""Writes findings: what matched, how severe it is here, where it stands, and in which words."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from migsafe.directives import ALLOW_FILE, Directive
from migsafe.lint.facts import COMMENT, CommentWord, Facts
from migsafe.lint.model import Finding, Rule, Severity
from migsafe.lint.phases import CONTRACT
from migsafe.lint.places import Place, Places
from migsafe.lint.sizes import size_note
from migsafe.lint.suppress import NOWHERE, Allowance, Unknown, start_of_problem
from migsafe.lint.walk import Observation
from migsafe.sources.model import Source, SourceProblem
from migsafe.sql.position import Position
from migsafe.suggest import did_you_mean

_EFFECT_FACTS = frozenset({"rewrites", "scans", "builds_index", "default_volatile", "old_version_works"})
_PHASE_FACTS = frozenset({"phase", "expand_in_release"})
_SIZE_FACT = "table_small"  # what a rule asks for that is about the size of a table
_COMPATIBILITY = "compatibility"


class Pen:
    """Writes the findings of one source.

    `match` gives the rules that an operation breaks, `levels` the severity of each rule here, None if off.
    """

    def __init__(
        self,
        source: Source,
        match: Callable[[Facts], Iterable[Rule]],
        levels: Mapping[str, Severity | None],
    ) -> None:
        self._source = source
        self._match = match
        self._levels = levels
        self._places = Places(source)

    def is_on(self, rule: str) -> bool:
        """Whether the rule is applied here."""
        return self._levels.get(rule) is not None

    def line(self, offset: int) -> int:
        """The line that people see an offset on."""
        return self._places.place(offset, offset).start.line

    def operation(self, seen: Observation) -> Iterator[Finding]:
        """What an operation of the script breaks."""
        facts = seen.facts
        for rule in self._match(facts):
            if not _is_right_in_contract(rule, facts):
                yield from self._finding(rule, _message(rule, seen), seen.start, seen.end)

    def unread(self, problem: SourceProblem, number: int) -> Iterator[Finding]:
        """A part of the source that could not be made into SQL; `number` counts these parts."""
        start = Position(problem.line, problem.column)
        end = Position(problem.end_line, problem.end_column) if problem.end_line else start
        place = Place(path=problem.path, start=start, end=end)
        facts = Facts(op="unread", reason=problem.message)
        for rule in self._match(facts):
            at = start_of_problem(number)
            yield from self._finding(rule, _filled(rule, facts), at, at, place=place)

    def malformed(self, directive: Directive) -> Iterator[Finding]:
        """A comment for us that cannot be read."""
        yield from self._comment("malformed", directive.problem, directive)

    def unknown(self, unknown: Unknown, known: Iterable[str]) -> Iterator[Finding]:
        """A comment that allows what is no rule."""
        reason = f"{unknown.name!r}{did_you_mean(unknown.name, known)}"
        yield from self._comment("unknown_rule", reason, unknown.directive)

    def unused(self, allowance: Allowance) -> Iterator[Finding]:
        """A comment that allows what is not found."""
        where = "this script" if allowance.directive.verb == ALLOW_FILE else "the statement"
        if allowance.start == NOWHERE:
            where = "any statement, as none follows it"
        yield from self._comment("unused", f"{allowance.rule} in {where}", allowance.directive)

    def _comment(self, word: CommentWord, reason: str, directive: Directive) -> Iterator[Finding]:
        facts = Facts(op=COMMENT, comment=word, reason=reason)
        for rule in self._match(facts):
            yield from self._finding(rule, _filled(rule, facts), directive.start, directive.end)

    def _finding(
        self, rule: Rule, message: str, start: int, end: int, *, place: Place | None = None
    ) -> Iterator[Finding]:
        severity = self._levels.get(rule.name)
        if severity is None:
            return
        place = place or self._places.place(start, end)
        yield Finding(
            rule=rule.name,
            id=rule.id,
            severity=severity,
            path=place.path,
            line=place.start.line,
            column=place.start.column,
            end_line=place.end.line,
            end_column=place.end.column,
            message=message,
            why=rule.why,
            instead=rule.instead,
            start=start,
            end=end,
            statement=" ".join(self._source.text[start:end].split()) if end > start else "",
            is_in_code=not place.is_copied,
        )


class _Filled(dict[str, str]):
    """Facts by name, for str.format_map; only what a message asks for is looked up."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self._facts = facts

    def __missing__(self, key: str) -> str:
        return str(getattr(self._facts, key))


def _filled(rule: Rule, facts: Facts) -> str:
    return rule.message.format_map(_Filled(facts))


def _message(rule: Rule, observation: Observation) -> str:
    message = _filled(rule, observation.facts)
    asked = {key for condition in rule.when for key, _ in condition.wanted}
    if observation.depends_on and asked & _EFFECT_FACTS:
        message = f"{message} (the worse case; not known: {', '.join(observation.depends_on)})"
    note = size_note(observation.facts) if _SIZE_FACT in asked else ""
    return f"{message} ({note})" if note else message


def _is_right_in_contract(rule: Rule, facts: Facts) -> bool:
    """Whether a script that declares `contract` may do this: nobody is left whom it breaks.

    What breaks the new version stays a finding, and so does a new column that must have a value: it fails
    on a table with rows, whoever is running.
    """
    if facts.phase != CONTRACT or rule.family != _COMPATIBILITY:
        return False
    asks_itself = any(key in _PHASE_FACTS for condition in rule.when for key, _ in condition.wanted)
    return facts.new_version_works and facts.op != "add_column" and not asks_itself
