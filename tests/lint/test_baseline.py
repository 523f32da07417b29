"""The baseline adopts an old repository and only gets shorter, unless somebody asks for more."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.config.read import load_config
from migsafe.errors import UsageError
from migsafe.lint.accepted import BaselineRequest, with_baseline
from migsafe.lint.baseline import Baseline, as_text, read_baseline
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import read_file

LINTER = Linter(shipped_rules())
SANE = {"lock_timeout": "2s", "statement_timeout": "1min"}
OPTIONS = LintOptions(settings=SANE)
WRITE = BaselineRequest(write=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "db").mkdir()
    monkeypatch.chdir(tmp_path)
    write("1", "DROP TABLE a;\nDROP TABLE b;\n")
    write("2", "ALTER TABLE c DROP COLUMN x, DROP COLUMN y;\n")
    return tmp_path


def write(name: str, text: str) -> None:
    Path(f"db/{name}.sql").write_text(text, encoding="utf-8")


def lint(request: BaselineRequest | None = None, *names: str) -> LintReport:
    paths = sorted(Path("db").glob("*.sql")) if not names else [Path(f"db/{name}.sql") for name in names]
    report = LINTER.lint([read_file(path) for path in paths], OPTIONS)
    return with_baseline(report, request or BaselineRequest(), load_config())


def found(report: LintReport) -> list[str]:
    return [f"{each.path}:{each.line} {each.rule}" for each in report.findings]


def stale(report: LintReport) -> list[str]:
    return list(report.baseline.stale) if report.baseline else []


def test_one_command_adopts_a_repository_and_the_next_run_is_clean(repository: Path) -> None:
    assert len(lint().findings) == 4
    assert lint(WRITE).findings == ()
    after = lint()
    assert (after.findings, len(after.suppressed)) == ((), 4)
    assert (repository / "migsafe-baseline.toml").is_file()


def test_it_is_found_from_a_folder_below(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lint(WRITE)
    monkeypatch.chdir(repository / "db")
    report = LINTER.lint([read_file(Path("1.sql"))], OPTIONS)
    assert with_baseline(report, BaselineRequest(), load_config()).findings == ()


@pytest.mark.usefixtures("repository")
def test_moved_lines_and_other_white_space_change_nothing() -> None:
    lint(WRITE)
    write("1", "-- a comment\r\n\r\nSELECT 1;\r\n\r\nDROP  TABLE\r\n  b;\r\nDROP TABLE a;\r\n")
    assert (found(lint()), stale(lint())) == ([], [])


@pytest.mark.usefixtures("repository")
def test_a_new_finding_counts_also_one_more_of_the_same() -> None:
    lint(WRITE)
    write("1", "DROP TABLE a;\nDROP TABLE b;\nDROP TABLE d;\nDROP TABLE a;\n")
    assert [each.split()[0] for each in found(lint())] == ["db/1.sql:3", "db/1.sql:4"]


@pytest.mark.usefixtures("repository")
def test_writing_again_takes_out_what_is_gone_and_adds_nothing() -> None:
    lint(WRITE)
    write("1", "DROP TABLE a;\nDROP TABLE d;\n")
    assert stale(lint()) == ["db/1.sql: dropped-table: DROP TABLE b"]
    again = lint(WRITE)
    assert again.baseline is not None
    assert (found(again), again.baseline.written, stale(again)) == (["db/1.sql:2 dropped-table"], -1, [])
    write("1", "DROP TABLE a;\nDROP TABLE b;\n")
    assert found(lint()) == ["db/1.sql:2 dropped-table"]


@pytest.mark.usefixtures("repository")
def test_new_findings_are_added_when_somebody_asks() -> None:
    lint(WRITE)
    write("3", "DROP TABLE d;\n")
    assert found(lint(BaselineRequest(write=True, accept_new=True))) == []
    assert found(lint()) == []


@pytest.mark.usefixtures("repository")
def test_files_that_were_not_judged_keep_their_entries_unless_they_are_gone() -> None:
    lint(WRITE)
    assert stale(lint(BaselineRequest(), "1")) == []
    lint(WRITE, "1")
    assert found(lint()) == []
    Path("db/2.sql").unlink()
    assert len(stale(lint())) == 2
    lint(WRITE, "1")
    assert "db/2.sql" not in Path("migsafe-baseline.toml").read_text()


@pytest.mark.usefixtures("repository")
def test_what_a_comment_accepts_needs_no_entry() -> None:
    lint(WRITE)
    write("1", "-- migsafe: allow dropped-table: gone\nDROP TABLE a;\nDROP TABLE b;\n")
    assert stale(lint()) == ["db/1.sql: dropped-table: DROP TABLE a"]


@pytest.mark.usefixtures("repository")
def test_it_can_be_left_aside_or_named() -> None:
    lint(WRITE)
    assert len(lint(BaselineRequest(is_off=True)).findings) == 4
    assert lint(BaselineRequest(file="other.toml", write=True)).findings == ()
    Path("migsafe-baseline.toml").unlink()
    assert len(lint().findings) == 4
    assert lint(BaselineRequest(file="other.toml")).findings == ()
    with pytest.raises(UsageError, match=r"none\.toml: no such baseline"):
        lint(BaselineRequest(file="none.toml"))


@pytest.mark.usefixtures("repository")
def test_the_file_is_for_people_to_review() -> None:
    lint(WRITE)
    text = Path("migsafe-baseline.toml").read_text()
    assert '[accepted."db/1.sql"]' in text
    assert '= "dropped-table: DROP TABLE a"' in text
    assert text.splitlines() == [line.rstrip() for line in text.splitlines()]
    lint(WRITE)
    assert Path("migsafe-baseline.toml").read_text() == text


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[[", "the baseline cannot be read"),
        ("format_version = 2", "format_version is 2, not 1"),
        ("", "format_version is None"),
        ("format_version = 1\naccepted = 3", "'accepted' is a table of tables of texts"),
    ],
)
def test_a_file_that_is_no_baseline_is_an_error(text: str, said: str) -> None:
    Path("migsafe-baseline.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        lint()
    assert said in raised.value.message


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXTS, st.dictionaries(st.text("0123456789abcdef", min_size=16), TEXTS, min_size=1)))
def test_any_baseline_is_read_as_it_was_written(entries: dict[str, dict[str, str]]) -> None:
    text = as_text(Baseline(path="b.toml", entries=entries))
    assert tomllib.loads(text).get("accepted", {}) == entries


def test_no_file_is_no_baseline(tmp_path: Path) -> None:
    assert read_baseline(str(tmp_path / "none.toml")) is None


@given(st.lists(st.sampled_from(["DROP TABLE a;", "DROP TABLE b;", "TRUNCATE a;", "NO SQL;", "SELECT 1;"])))
def test_the_fingerprints_of_a_script_differ(statements: list[str]) -> None:
    (file,) = LINTER.lint([Source(path="1.sql", text="\n".join(statements))], OPTIONS).files
    prints = [finding.fingerprint for finding in file.findings]
    assert len(set(prints)) == len(prints)
