"""Scripts in, findings out. Pure: the same scripts and context always give the same findings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from migsafe.catalog.model import Catalog
from migsafe.catalog.session import new_session
from migsafe.config.model import Config, ScriptSettings
from migsafe.config.words import Transaction
from migsafe.lint.facts import Facts
from migsafe.lint.follow import follow
from migsafe.lint.judge import Judge, Script
from migsafe.lint.model import Condition, LintedFile, LintReport, Rule
from migsafe.lint.parallel import spread
from migsafe.lint.phases import Given, given_by
from migsafe.lint.selection import Selection
from migsafe.lint.sizes import SmallTables
from migsafe.lint.suppress import Comments, read_comments
from migsafe.lint.walk import walk
from migsafe.sources.model import Source
from migsafe.sql.script import Script as ReadScript
from migsafe.sql.script import read_script


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


@dataclass(slots=True, kw_only=True)
class _Stand:
    """A script where it stands: what holds for it, and the schema before it.

    `after` is the schema behind it, once somebody went through it in this process.
    """

    source: Source
    context: Context
    script: ReadScript
    before: Catalog
    after: Catalog | None = None


class Linter:
    """Rules, ready to be applied: indexed by the operation they ask for."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._names = {key: rule.name for rule in self.rules for key in (rule.name, rule.id)}
        self._by_operation: dict[str, _Index] = {}

    def lint(self, sources: Iterable[Source], options: LintOptions, *, processes: int = 1) -> LintReport:
        """The findings in these scripts; each script sees the schema that the ones before it leave.

        With more `processes` the same is found sooner: see parallel.py.

        Raises:
            UsageError: The configuration names a rule that does not exist.
        """
        judge = Judge(self.match, Selection(self.rules, options.config))
        stands = self._stands(sources, options)
        if options.one_release:
            release = [_seen(stand, options) for stand in stands]
            given: tuple[Given, ...] = tuple(
                each for script in release for each in given_by(script.observations)
            )
            return LintReport(files=tuple(judge.file(script, given) for script in release))

        def judged(stand: _Stand) -> LintedFile:
            script = _seen(stand, options)
            return judge.file(script, given_by(script.observations))

        return LintReport(files=tuple(spread(stands, judged, processes=processes)))

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
        index = self._by_operation.get(facts.op)
        if index is None:
            index = self._by_operation[facts.op] = self._index(facts.op)
        found = {
            rule.id: rule
            for fact, conditions in index.items()
            if not fact or getattr(facts, fact)
            for rule, condition in conditions
            if _holds(condition, facts)
        }
        return tuple(found[key] for key in sorted(found))

    def _stands(self, sources: Iterable[Source], options: LintOptions) -> Iterator["_Stand"]:
        """The judged scripts in the order in which they run, each with the schema that it finds."""
        catalog = options.catalog
        for source in sources:
            context = self.context(source, options)
            script = read_script("" if source.problem else source.text)
            stand = _Stand(source=source, context=context, script=script, before=catalog)
            if source.judged and not options.config.excludes(source.path):
                yield stand
            after = stand.after or follow(source, script, catalog, wrapped=context.wrapped)
            catalog = new_session(after)

    def _index(self, operation: str) -> "_Index":
        """The conditions that this operation can meet, by a fact that has to hold ("": there is none).

        Most of these facts rarely hold, and one look spares all conditions that ask for them.
        """
        found: _Index = defaultdict(list)
        for rule in self.rules:
            for condition in rule.when:
                if operation in dict(condition.wanted).get("op", (operation,)):
                    needed = (key for key, values in condition.wanted if values == (True,))
                    found[next(needed, "")].append((rule, condition))
        return found


_Index = dict[str, list[tuple[Rule, Condition]]]


def _seen(stand: _Stand, options: LintOptions) -> Script:
    """Goes through the script."""
    source, context = stand.source, stand.context
    walked = walk(
        source,
        catalog=stand.before,
        server_version=context.server_version,
        settings={**options.settings, **dict(source.settings)},
        wrapped=context.wrapped,
        small=SmallTables(
            names=frozenset(context.settings.small_tables), rows=options.config.small_table_rows
        ),
        script=stand.script,
    )
    stand.after = walked.catalog
    return Script(
        source=source,
        settings=context.settings,
        comments=context.comments,
        observations=walked.observations,
        statements=walked.statements,
        phase=str(context.comments.phase or source.phase or context.settings.phase or ""),
    )


def _holds(condition: Condition, facts: Facts) -> bool:
    for key, values in condition.wanted:  # noqa: SIM110 -- `all` with a generator takes twice the time
        if getattr(facts, key) not in values:
            return False
    return True


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
