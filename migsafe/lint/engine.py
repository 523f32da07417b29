"""Scripts in, findings out. Pure: the same scripts and context always give the same findings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migsafe.catalog.model import Catalog
from migsafe.catalog.session import new_session
from migsafe.lint.facts import Facts
from migsafe.lint.model import Condition, Finding, LintedFile, LintReport, Rule
from migsafe.lint.walk import Observation, Walk, walk
from migsafe.sources.model import Source
from migsafe.sql.operations import Unread
from migsafe.sql.position import Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """What is known beside the scripts.

    `catalog` is the schema before the first script. `server_version` is server_version_num (140000: 14),
    None for the newest that is known.
    `settings` are in effect when a session starts (ALTER ROLE ... SET). `wrapped`: the tool opens a
    transaction around every script; None: as each source says, and if it does not say, no.
    """

    catalog: Catalog = field(default_factory=Catalog)
    server_version: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool | None = None


class Linter:
    """Rules that are enabled, ready to be applied: indexed by the operation they ask for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_operation: dict[str, list[tuple[Rule, Condition]]] = defaultdict(list)
        self._general: list[tuple[Rule, Condition]] = []
        for rule in rules:
            for condition in rule.when if rule.enabled else ():
                self._add(rule, condition)

    def lint(self, sources: Iterable[Source], options: LintOptions) -> LintReport:
        """The findings in these scripts; each script sees the schema that the ones before it leave."""
        catalog = options.catalog
        files: list[LintedFile] = []
        for source in sources:
            wrapped = options.wrapped if options.wrapped is not None else bool(source.in_transaction)
            walked = walk(
                source,
                catalog=catalog,
                server_version=options.server_version,
                settings=options.settings,
                wrapped=wrapped,
            )
            catalog = new_session(walked.catalog)
            files.append(self._judge(source, walked))
        return LintReport(files=tuple(files))

    def match(self, facts: Facts) -> tuple[Rule, ...]:
        """The rules that one operation breaks, each once, in order of their ids."""
        found = {
            rule.id: rule
            for rule, condition in (*self._by_operation.get(facts.op, ()), *self._general)
            if _holds(condition, facts)
        }
        return tuple(found[key] for key in sorted(found))

    def _add(self, rule: Rule, condition: Condition) -> None:
        kinds = dict(condition.wanted).get("op")
        if kinds is None:
            self._general.append((rule, condition))
        for kind in kinds or ():
            self._by_operation[str(kind)].append((rule, condition))

    def _judge(self, source: Source, walked: Walk) -> LintedFile:
        lines = Lines(source.text)
        findings = [
            _finding(rule, observation, source, lines)
            for observation in walked.observations
            for rule in self.match(observation.facts)
        ]
        return LintedFile(
            path=source.path,
            text=source.text,
            statements=walked.statements,
            unread=sum(isinstance(observation.operation, Unread) for observation in walked.observations),
            findings=tuple(findings),
        )


def _holds(condition: Condition, facts: Facts) -> bool:
    return all(getattr(facts, key) in values for key, values in condition.wanted)


def _finding(rule: Rule, observation: Observation, source: Source, lines: Lines) -> Finding:
    start, end = lines.position(observation.start), lines.position(observation.end)
    return Finding(
        rule=rule.name,
        id=rule.id,
        severity=rule.severity,
        path=source.path,
        line=start.line,
        column=start.column,
        end_line=end.line,
        end_column=end.column,
        message=_message(rule, observation),
        why=rule.why,
        instead=rule.instead,
    )


class _Filled(dict[str, str]):
    """Facts by name, for str.format_map; only what a message asks for is looked up."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self._facts = facts

    def __missing__(self, key: str) -> str:
        return str(getattr(self._facts, key))


_EFFECT_FACTS = frozenset({"rewrites", "scans", "builds_index", "default_volatile", "old_version_works"})


def _message(rule: Rule, observation: Observation) -> str:
    message = rule.message.format_map(_Filled(observation.facts))
    asked = {key for condition in rule.when for key, _ in condition.wanted}
    if observation.depends_on and asked & _EFFECT_FACTS:
        return f"{message} (the worse case; not known: {', '.join(observation.depends_on)})"
    return message
