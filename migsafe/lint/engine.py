"""Scripts in, findings out. Pure: the same scripts and context always give the same findings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migsafe.catalog.model import Catalog
from migsafe.catalog.session import new_session
from migsafe.config.model import Config, ScriptSettings
from migsafe.config.words import Transaction
from migsafe.lint.facts import Facts
from migsafe.lint.judge import Judge, Script
from migsafe.lint.model import Condition, LintedFile, LintReport, Rule
from migsafe.lint.phases import Given, given_by
from migsafe.lint.selection import Selection
from migsafe.lint.sizes import SmallTables
from migsafe.lint.suppress import Comments, read_comments
from migsafe.lint.walk import walk
from migsafe.sources.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """What is known beside the scripts.

    `catalog` is the schema before the first script. `settings` are in effect when a session starts
    (ALTER ROLE ... SET). `config` says the rest, for each path. `one_release`: all judged scripts are
    deployed together.

    Two values win over the configuration when they are given: `server_version` is server_version_num
    (140000: 14); `wrapped` is whether the tool opens a transaction around every script.
    """

    catalog: Catalog = field(default_factory=Catalog)
    server_version: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool | None = None
    config: Config = field(default_factory=Config)
    one_release: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What holds for one script. `server_version` is server_version_num."""

    settings: ScriptSettings
    comments: Comments
    server_version: int | None
    wrapped: bool


class Linter:
    """Rules, ready to be applied: indexed by the operation they ask for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._names = {key: rule.name for rule in self.rules for key in (rule.name, rule.id)}
        self._by_operation: dict[str, list[tuple[Rule, Condition]]] = defaultdict(list)
        self._general: list[tuple[Rule, Condition]] = []
        for rule in self.rules:
            for condition in rule.when:
                self._add(rule, condition)

    def lint(self, sources: Iterable[Source], options: LintOptions) -> LintReport:
        """The findings in these scripts; each script sees the schema that the ones before it leave.

        Raises:
            UsageError: The configuration names a rule that does not exist.
        """
        judge = Judge(self.match, Selection(self.rules, options.config))
        files: list[LintedFile] = []
        release: list[Script] = []
        for script in self._walk(sources, options):
            if options.one_release:
                release.append(script)
            else:
                files.append(judge.file(script, given_by(script.observations)))
        given: tuple[Given, ...] = tuple(each for script in release for each in given_by(script.observations))
        files += [judge.file(script, given) for script in release]
        return LintReport(files=tuple(files))

    def context(self, source: Source, options: LintOptions) -> Context:
        """What the configuration, the command line and the script's own comments come to for it."""
        settings = options.config.for_path(source.path)
        comments = read_comments(source.text, self._names)
        return Context(
            settings=settings,
            comments=comments,
            server_version=options.server_version or _version_num(settings.server_version),
            wrapped=_is_wrapped(source, settings, options, comments.transaction),
        )

    def match(self, facts: Facts) -> tuple[Rule, ...]:
        """The rules that one operation breaks, each once, in order of their ids."""
        found = {
            rule.id: rule
            for rule, condition in (*self._by_operation.get(facts.op, ()), *self._general)
            if _holds(condition, facts)
        }
        return tuple(found[key] for key in sorted(found))

    def _walk(self, sources: Iterable[Source], options: LintOptions) -> Iterable[Script]:
        """The judged scripts, gone through in the order in which they run."""
        catalog = options.catalog
        for source in sources:
            context = self.context(source, options)
            walked = walk(
                source,
                catalog=catalog,
                server_version=context.server_version,
                settings={**options.settings, **dict(source.settings)},
                wrapped=context.wrapped,
                small=SmallTables(
                    names=frozenset(context.settings.small_tables), rows=options.config.small_table_rows
                ),
            )
            catalog = new_session(walked.catalog)
            if source.judged and not options.config.excludes(source.path):
                phase = context.comments.phase or source.phase or context.settings.phase or ""
                yield Script(
                    source=source,
                    settings=context.settings,
                    comments=context.comments,
                    observations=walked.observations,
                    statements=walked.statements,
                    phase=str(phase),
                )

    def _add(self, rule: Rule, condition: Condition) -> None:
        kinds = dict(condition.wanted).get("op")
        if kinds is None:
            self._general.append((rule, condition))
        for kind in kinds or ():
            self._by_operation[str(kind)].append((rule, condition))


def _holds(condition: Condition, facts: Facts) -> bool:
    return all(getattr(facts, key) in values for key, values in condition.wanted)


def _version_num(major: int | None) -> int | None:
    return major * 10_000 if major else None


def _is_wrapped(source: Source, settings: ScriptSettings, options: LintOptions, said: str) -> bool:
    """Whether a tool opens a transaction around the script: what stands nearest to it counts most."""
    if source.shows_transactions:
        return False
    if said:
        return said == Transaction.ALWAYS
    if options.wrapped is not None:
        return options.wrapped
    if settings.transaction.wrapped is not None:
        return settings.transaction.wrapped
    return bool(source.in_transaction)
