"""The keys of the cache: everything that decides is in them, and what comes later is not."""

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

import migsafe
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config, Flags, PathSettings, RuleLayer, ScriptSettings
from migsafe.config.words import Level, ScriptPhase, Transaction
from migsafe.lint.cache.keys import chained, digest_of, keys_of, start_key
from migsafe.lint.cache.program import program_digest
from migsafe.lint.request import LintRequest
from migsafe.sources.model import Origin, Source, SourceProblem

SOURCES = tuple(Source(path=f"{number}.sql", text=f"SELECT {number};") for number in range(4))
CHANGES = {
    "path": "other.sql",
    "text": "SELECT 9;",
    "problem": "not UTF-8",
    "problem_at": 3,
    "in_transaction": False,
    "phase": "contract",
    "revision": "abc",
    "tool": "flyway",
    "origins": (Origin(start=0, end=3, path="x.py", line=1),),
    "shown": "what people see",
    "shows_transactions": True,
    "settings": (("lock_timeout", "2s"),),
    "parts": (3,),
    "problems": (SourceProblem(message="no", path="x.py", line=1),),
}


def test_every_field_of_a_source_is_changed_below() -> None:
    assert {*CHANGES, "judged"} == {field.name for field in fields(Source)}


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_of_a_script_changes_its_key_and_all_behind_it(field: str) -> None:
    changed = replace(SOURCES[2], **{field: CHANGES[field]})  # type: ignore[arg-type]  # values as in CHANGES
    before = chained(b"start", SOURCES, one_release=False)
    after = chained(b"start", (*SOURCES[:2], changed, SOURCES[3]), one_release=False)
    assert before.scripts[:2] == after.scripts[:2]
    assert not {*before.scripts[2:]} & {*after.scripts}
    assert before.report != after.report


def test_whether_an_earlier_script_is_judged_matters_to_the_report_alone() -> None:
    before = chained(b"start", SOURCES, one_release=False)
    after = chained(b"start", (replace(SOURCES[0], judged=False), *SOURCES[1:]), one_release=False)
    assert before.scripts == after.scripts
    assert before.report != after.report


def test_in_one_release_everything_matters_to_every_script() -> None:
    together = chained(b"start", SOURCES, one_release=True)
    changed = (*SOURCES[:3], replace(SOURCES[3], text="SELECT 9;"))
    fewer = (*SOURCES[:3], replace(SOURCES[3], judged=False))
    keys = [chained(b"start", sources, one_release=True) for sources in (SOURCES, changed, fewer)]
    keys.append(chained(b"start", SOURCES, one_release=False))
    assert keys[0] == together
    assert len({key for each in keys for key in each.scripts}) == 16
    assert len({each.report for each in keys}) == 4


def test_parts_that_only_join_to_the_same_bytes_differ() -> None:
    assert (
        len({digest_of(b"ab", b"c"), digest_of(b"a", b"bc"), digest_of(b"abc"), digest_of(b"abc", b"")}) == 4
    )


SETTINGS = {
    "server_version": 14,
    "transaction": Transaction.ALWAYS,
    "exclude": ("old/**",),
    "small_tables": ("countries",),
    "small_table_rows": 5,
    "phases": (("late/**", ScriptPhase.CONTRACT),),
    "rules": RuleLayer(levels={"all": Level.ERROR}, where="migsafe.toml"),
    "paths": (PathSettings(match=("a/**",), server_version=15),),
    "flags": Flags(server_version=16),
    "root": "/elsewhere",
    "current": "/elsewhere",
    "repository": "/elsewhere",
    "file": "other.toml",
    "table": ("tool", "migsafe"),
    "schema": "schema.sql",
    "fail_on": "warning",
}
NOT_IN_KEYS = {"sources", "text", "baseline", "alembic", "pace", "webhooks"}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_in_the_keys(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.sql").write_text("CREATE TABLE t (id int);")
    config = replace(Config(), **{name: SETTINGS[name]})  # type: ignore[arg-type]  # values as in SETTINGS
    assert start_key(LintRequest(config=config), b"") != start_key(LintRequest(), b"")


def test_no_setting_is_forgotten() -> None:
    assert {*SETTINGS} | NOT_IN_KEYS == {field.name for field in fields(Config)}
    for kind in (Config, PathSettings, RuleLayer, Flags, ScriptSettings):
        hidden = {field.name for field in fields(kind) if not field.repr}
        assert hidden <= {"text"}, "a field that repr() leaves out is not in the keys"


def test_what_the_schema_file_says_is_in_the_keys(tmp_path: Path) -> None:
    file = tmp_path / "schema.sql"
    file.write_text("CREATE TABLE t (id int);")
    request = LintRequest(schema=str(file))
    before = start_key(request, b"")
    file.write_text("CREATE TABLE t (id int, x int);")
    assert start_key(request, b"") != before


def test_without_a_way_to_know_what_matters_there_are_no_keys(tmp_path: Path) -> None:
    assert keys_of(LintRequest(catalog=Catalog()), SOURCES) is None
    assert keys_of(LintRequest(schema=str(tmp_path / "missing.sql")), SOURCES) is None


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of a checkout, as far as the digest looks at it."""
    origin = Path(migsafe.__file__).parent
    shutil.copytree(origin / "lint", tmp_path / "migsafe" / "lint")
    shutil.copytree(origin.parent / "rules", tmp_path / "rules")
    return tmp_path / "migsafe"


@pytest.mark.parametrize("file", ["rules/locks/missing-lock-timeout.toml", "migsafe/lint/cache/keys.py"])
def test_a_changed_rule_or_module_changes_the_program(package: Path, file: str) -> None:
    before = program_digest(package)
    assert program_digest(package) == before
    changed = next(package.parent.glob(f"**/{Path(file).name}"))
    status = changed.stat()
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert program_digest(package) != before


def test_a_new_rule_changes_the_program(package: Path) -> None:
    before = program_digest(package)
    (package.parent / "rules" / "locks" / "new.toml").write_text("")
    assert program_digest(package) != before


def test_an_installed_package_is_known_by_its_record(tmp_path: Path) -> None:
    package = tmp_path / "migsafe"
    package.mkdir()
    record = tmp_path / f"migsafe-{migsafe.__version__}.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("migsafe/__init__.py,sha256=abc,12\n")
    before = program_digest(package)
    (package / "later.py").write_text("")
    assert program_digest(package) == before
    record.write_text("migsafe/__init__.py,sha256=abd,12\n")
    assert program_digest(package) != before
