"""Which rules are on, how severe each is, and in which order the layers of the configuration count."""

from pathlib import Path

import pytest

from migsafe.config.model import Config, Flags, RuleLayer
from migsafe.config.read import load_config
from migsafe.config.words import Level
from migsafe.errors import UsageError
from migsafe.lint.effective import effective
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source

RULES = shipped_rules()
LINTER = Linter(RULES)
DROP = "ALTER TABLE a DROP COLUMN x;"
OPT_IN = next(rule for rule in RULES if not rule.enabled and rule.family == "types")


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def config(folder: Path, text: str) -> Config:
    (folder / "migsafe.toml").write_text(text, encoding="utf-8")
    return load_config(current=folder)


def severities(settings: Config, path: str = "1.sql", text: str = DROP) -> dict[str, str]:
    options = LintOptions(config=settings, settings={"lock_timeout": "2s", "statement_timeout": "1min"})
    report = LINTER.lint([Source(path=path, text=text)], options)
    return {finding.rule: finding.severity.value for finding in report.findings}


@pytest.mark.parametrize(
    ("rules", "severity"),
    [
        ("", "error"),
        ('dropped-column = "warning"', "warning"),
        ('MS303 = "warning"', "warning"),
        ('ms303 = "warning"', "warning"),
        ('compatibility = "warning"', "warning"),
        ('all = "warning"', "warning"),
        ('dropped-column = "off"', None),
        ('all = "off"', None),
        ('all = "off"\ncompatibility = "on"', "error"),
        ('compatibility = "on"\nall = "off"', "error"),
        ('compatibility = "off"\ndropped-column = "warning"', "warning"),
        ('dropped-column = "on"\ncompatibility = "off"', "error"),
    ],
)
def test_the_nearest_word_of_a_table_counts(configured: Path, rules: str, severity: str | None) -> None:
    found = severities(config(configured, f"[rules]\n{rules}"))
    assert found.get("dropped-column") == severity


def test_a_later_table_counts_more_than_a_nearer_word(configured: Path) -> None:
    settings = config(
        configured,
        '[rules]\ndropped-column = "error"\n[[paths]]\nmatch = "old/**"\nrules = { compatibility = "off" }\n'
        '[[paths]]\nmatch = "old/new/**"\nrules = { MS303 = "warning" }',
    )
    assert severities(settings)["dropped-column"] == "error"
    assert "dropped-column" not in severities(settings, "old/1.sql")
    assert severities(settings, "old/new/1.sql")["dropped-column"] == "warning"
    flags = Flags(rules=RuleLayer(levels={"all": Level.OFF}, where="--rule"))
    assert severities(settings.with_flags(flags), "old/new/1.sql") == {}


def test_a_rule_that_is_off_is_turned_on_by_its_name_or_group(configured: Path) -> None:
    text = OPT_IN.bad[0].setup + OPT_IN.bad[0].sql
    assert OPT_IN.name not in severities(Config(), text=text)
    assert OPT_IN.name in severities(config(configured, f'[rules]\n{OPT_IN.name} = "on"'), text=text)
    assert severities(config(configured, '[rules]\ntypes = "error"'), text=text)[OPT_IN.name] == "error"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[rules]\n\ndroped-column = "off"',
            "migsafe.toml:3: no rule or group 'droped-column'; did you mean",
        ),
        ('[rules]\nlock = "off"', "migsafe.toml:2: no rule or group 'lock'; did you mean 'locks'?"),
        ('[[paths]]\nmatch = "a"\nrules = { x = "off" }', "migsafe.toml:3: no rule or group 'x'"),
    ],
)
def test_a_rule_that_does_not_exist_is_an_error_with_its_line(configured: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        severities(config(configured, text))
    assert said in raised.value.message


def test_excluded_scripts_are_context_and_not_judged(configured: Path) -> None:
    options = LintOptions(config=config(configured, 'exclude = ["0.sql"]'), settings={"lock_timeout": "2s"})
    scripts = [
        Source(path="0.sql", text="CREATE TABLE a (x varchar(50)); NO SQL;"),
        Source(path="1.sql", text="ALTER TABLE a ALTER COLUMN x TYPE varchar(100);"),
    ]
    report = LINTER.lint(scripts, options)
    assert [file.path for file in report.files] == ["1.sql"]
    assert not [finding for finding in report.findings if "rewrit" in finding.rule]


def test_the_server_version_and_the_transaction_of_a_path_count(configured: Path) -> None:
    text = "CREATE INDEX CONCURRENTLY i ON t (a);"
    settings = config(configured, '[[paths]]\nmatch = "flyway/**"\ntransaction = "always"')
    assert "concurrently-in-transaction" in severities(settings, "flyway/1.sql", text)
    assert "concurrently-in-transaction" not in severities(settings, "1.sql", text)
    said = f"-- migsafe: transaction never\n{text}"
    assert "concurrently-in-transaction" not in severities(settings, "flyway/1.sql", said)


def test_what_is_in_effect_says_where_it_comes_from(configured: Path) -> None:
    settings = config(
        configured,
        'server_version = 15\nphases = { "c/**" = "contract" }\n[rules]\ndropped-column = "off"\n'
        '[[paths]]\nmatch = "c/**"\nserver_version = 14\nrules = { locks = "warning" }',
    )
    everywhere, here = effective(settings, RULES), effective(settings, RULES, "c/1.sql")
    assert {each.key: (each.value, each.source) for each in everywhere.settings}["server_version"] == (
        15,
        "migsafe.toml:1",
    )
    found = {each.key: (each.value, each.source) for each in here.settings}
    assert found["server_version"] == (14, "migsafe.toml:7")
    assert found["phase"] == ("contract", "migsafe.toml:2")
    assert found["transaction"] == ("auto", "default")
    rules = {each.rule.name: (each.level, each.source) for each in here.rules}
    assert rules["dropped-column"] == ("off", "migsafe.toml:4")
    assert rules["blocking-index-build"] == ("warning", "migsafe.toml:8")
    assert rules["renamed-column"] == ("error", "default")
