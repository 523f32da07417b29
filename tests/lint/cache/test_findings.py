"""With the cache and without it, the findings are the same: whatever happened before, in whatever order."""

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from migsafe.config.model import Config, Flags, PathSettings, RuleLayer
from migsafe.config.words import Level, ScriptPhase, Transaction
from migsafe.lint.cache.findings import lint_with
from migsafe.lint.cache.keys import keys_of
from migsafe.lint.cache.store import Store
from migsafe.lint.request import LintRequest
from migsafe.lint.run import lint_sources
from migsafe.sources.model import Source, SourceProblem

STATEMENTS = (
    "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(50), email text);",
    "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint);",
    "DROP TABLE users;",
    "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    "ALTER TABLE users ALTER COLUMN name TYPE varchar(100);",
    "ALTER TABLE users ALTER COLUMN name TYPE varchar(20);",
    "ALTER TABLE users ADD CONSTRAINT there CHECK (email IS NOT NULL) NOT VALID;",
    "ALTER TABLE users VALIDATE CONSTRAINT there;",
    "ALTER TABLE users ALTER COLUMN email SET NOT NULL;",
    "ALTER TABLE users DROP COLUMN email;",
    "ALTER TABLE users RENAME COLUMN name TO full_name;",
    "ALTER TABLE users RENAME TO people;",
    "CREATE INDEX ON users (email);",
    "CREATE INDEX CONCURRENTLY by_email ON users (email);",
    "SET lock_timeout = '2s';",
    "SET search_path = other;",
    "BEGIN;",
    "COMMIT;",
    "-- migsafe: allow blocking-index-build: a test\nCREATE INDEX ON orders (user_id);",
    "-- migsafe: allow-file missing-lock-timeout: a test",
    "-- migsafe: allow nonsense: a test",
    "-- migsafe: phase contract",
    "-- migsafe: transaction always",
    "THIS IS NO SQL;",
    "SELECT 'ünïcode \U0001f418';",
)
CONFIGS = (
    Config(),
    Config(server_version=14),
    Config(transaction=Transaction.ALWAYS),
    Config(small_tables=("users",)),
    Config(phases=(("2*", ScriptPhase.CONTRACT),)),
    Config(rules=RuleLayer(levels={"all": Level.OFF, "locks": Level.WARNING}, where="x")),
    Config(rules=RuleLayer(levels={"all": Level.ERROR}, where="x")),
    Config(paths=(PathSettings(match=("1*",), server_version=18, transaction=Transaction.NEVER),)),
    Config(flags=Flags(server_version=17)),
    Config(exclude=("3*",)),
)

TEXTS = st.lists(st.sampled_from(STATEMENTS), max_size=4).map("\n".join)
SCRIPTS = st.builds(
    Source,
    path=st.integers(1, 39).map("{}.sql".format),
    text=TEXTS,
    in_transaction=st.sampled_from([None, None, True, False]),
    judged=st.sampled_from([True, True, False]),
    phase=st.sampled_from(["", "", "contract"]),
    problem=st.sampled_from(["", "", "", "", "the file is UTF-16"]),
    shown=st.sampled_from(["", "", "def upgrade(): ..."]),
    problems=st.sampled_from([(), (), (SourceProblem(message="not known", path="x.py", line=3),)]),
)


class Editing(RuleBasedStateMachine):
    """Somebody edits a history and lints it again after every edit, always with the same cache."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.sources: list[Source] = []
        self.request = LintRequest()

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(sources=st.lists(SCRIPTS, min_size=1, max_size=4))
    def start(self, sources: list[Source]) -> None:
        self.sources = sources

    @rule(source=SCRIPTS)
    def append(self, source: Source) -> None:
        self.sources.append(source)

    @rule(source=SCRIPTS, data=st.data())
    def insert(self, source: Source, data: st.DataObject) -> None:
        self.sources.insert(data.draw(st.integers(0, len(self.sources))), source)

    @precondition(lambda self: self.sources)
    @rule(source=SCRIPTS, data=st.data())
    def change(self, source: Source, data: st.DataObject) -> None:
        self.sources[data.draw(st.integers(0, len(self.sources) - 1))] = source

    @precondition(lambda self: self.sources)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        del self.sources[data.draw(st.integers(0, len(self.sources) - 1))]

    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        self.sources = data.draw(st.permutations(self.sources))

    @precondition(lambda self: self.sources)
    @rule(data=st.data())
    def judge_others(self, data: st.DataObject) -> None:
        judged = data.draw(st.lists(st.booleans(), min_size=len(self.sources), max_size=len(self.sources)))
        pairs = zip(self.sources, judged, strict=True)
        self.sources = [replace(source, judged=is_judged) for source, is_judged in pairs]

    @rule(config=st.sampled_from(CONFIGS))
    def configure(self, config: Config) -> None:
        self.request = replace(self.request, config=config)

    @rule(diff=st.sampled_from(["", "main"]))
    def compare(self, diff: str) -> None:
        self.request = replace(self.request, diff=diff)

    @invariant()
    def the_findings_are_those_of_a_run_without_a_cache(self) -> None:
        keys = keys_of(self.request, self.sources)
        assert keys is not None
        with closing(Store(Path(self.folder.name))) as store:
            found = lint_with(store, keys, self.request, self.sources)
        assert found == lint_sources(self.request, self.sources)


Editing.TestCase.settings = hypothesis_settings(max_examples=30, stateful_step_count=12, deadline=None)
TestEditing = Editing.TestCase


def test_what_a_script_finds_depends_on_its_whole_release(tmp_path: Path) -> None:
    adds = Source(path="1.sql", text="ALTER TABLE users ADD COLUMN full_name text;")
    adds_nothing = Source(path="1.sql", text="SELECT 1;")
    contract = Source(path="2.sql", text="-- migsafe: phase contract\nALTER TABLE users DROP COLUMN name;")
    for sources, diff in (
        ([contract, adds], ""),
        ([contract, adds], "main"),
        ([contract, adds_nothing], "main"),
        ([contract, replace(adds, judged=False)], "main"),
        ([contract, adds], ""),
    ):
        request = LintRequest(diff=diff)
        keys = keys_of(request, sources)
        assert keys is not None
        with closing(Store(tmp_path)) as store:
            found = lint_with(store, keys, request, sources)
        assert found == lint_sources(request, sources)
        rules = {finding.rule for finding in found.files[0].findings}
        assert ("expand-beside-contract" in rules) is (diff == "main" and sources[1] is adds)
