"""A configuration file is read completely or not at all; a mistake names its place and what was meant."""

import dataclasses
from pathlib import Path

import pytest

from migsafe.config.model import Config, Flags, RuleLayer
from migsafe.config.read import load_config
from migsafe.config.words import FailOn, Level, ScriptPhase, Transaction
from migsafe.errors import UsageError
from migsafe.sources.settings import SourceKind, SourceSettings

EVERYTHING = """
server_version = 16
transaction = "always"
fail_on = "warning"
schema = "db/structure.sql"
baseline = "migsafe-baseline.toml"
exclude = ["**/vendor/**"]
small_tables = ["countries"]
small_table_rows = 500
phases = { "migrations/contract/**" = "contract" }

[rules]
missing-lock-timeout = "off"
naming = "warning"

[[sources]]
kind = "alembic"
path = "alembic.ini"
start_after = "ae1027a6acf"
arguments = ["tenant=a"]
environment = { STAGE = "ci" }
timeout = 5

[[paths]]
match = "services/billing/**"
server_version = 14
transaction = "never"
rules = { dropped-column = "warning" }

[[paths]]
match = ["services/billing/old/**", "*.legacy.sql"]
phase = "contract"
small_tables = []
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(folder: Path, text: str, name: str = "migsafe.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def problem(folder: Path, text: str, name: str = "migsafe.toml") -> str:
    with pytest.raises(UsageError) as raised:
        load_config(current=write(folder, text, name))
    return raised.value.message


def test_every_key_is_read(repository: Path) -> None:
    config = load_config(current=write(repository, EVERYTHING))
    assert (config.server_version, config.transaction, config.fail_on) == (
        16,
        Transaction.ALWAYS,
        FailOn.WARNING,
    )
    assert (config.schema, config.baseline) == ("db/structure.sql", "migsafe-baseline.toml")
    assert (config.exclude, config.small_tables, config.small_table_rows) == (
        ("**/vendor/**",),
        ("countries",),
        500,
    )
    assert config.phases == (("migrations/contract/**", ScriptPhase.CONTRACT),)
    assert config.rules is not None
    assert config.rules.levels == {"missing-lock-timeout": Level.OFF, "naming": Level.WARNING}
    assert config.sources == (
        SourceSettings(
            kind=SourceKind.ALEMBIC,
            path="alembic.ini",
            start_after="ae1027a6acf",
            arguments=("tenant=a",),
            environment={"STAGE": "ci"},
            timeout=5.0,
        ),
    )
    assert [each.match for each in config.paths] == [
        ("services/billing/**",),
        ("services/billing/old/**", "*.legacy.sql"),
    ]


def test_pyproject_has_the_same_keys(repository: Path) -> None:
    text = '[project]\nname = "x"\n[tool.migsafe]\nserver_version = 15\n[tool.migsafe.rules]\nlocks = "on"\n'
    config = load_config(current=write(repository, text, "pyproject.toml"))
    assert config.server_version == 15
    assert config.rules is not None
    assert config.rules.levels == {"locks": Level.ON}
    assert config.where("server_version") == "pyproject.toml:4"
    assert config.where("rules", "locks") == "pyproject.toml:6"


def test_the_file_is_found_from_a_folder_below_and_paths_start_at_the_file(repository: Path) -> None:
    write(repository, 'schema = "db/schema.sql"\nexclude = ["db/vendor/**"]')
    config = load_config(current=write(repository / "db" / "migrations", "", "other.toml"))
    assert config.file == "../../migsafe.toml"
    assert config.resolve(config.schema) == "../schema.sql"
    assert config.relative("1.sql") == "db/migrations/1.sql"
    assert config.excludes("../vendor/2.sql")
    assert not config.excludes("1.sql")


def test_the_nearest_file_decides_and_none_is_looked_for_above_the_repository(repository: Path) -> None:
    write(repository, "server_version = 14")
    assert load_config(current=write(repository / "a", "server_version = 15")).server_version == 15
    (repository / "b" / ".git").mkdir(parents=True)
    assert load_config(current=repository / "b") == Config(
        root=str(repository / "b"), current=str(repository / "b"), repository=str(repository / "b")
    )


def test_a_pyproject_that_is_not_about_us_does_not_count_not_even_when_it_is_broken(repository: Path) -> None:
    write(repository, "server_version = 14")
    for number, text in enumerate(('[project]\nname = "x"', "[[[", '[tool.other]\nuses = "migsafe"')):
        folder = write(repository / str(number), text, "pyproject.toml")
        assert load_config(current=folder).server_version == 14


def test_two_files_in_one_folder_are_an_error(repository: Path) -> None:
    write(repository, "[tool.migsafe]", "pyproject.toml")
    assert "both migsafe.toml and [tool.migsafe] in pyproject.toml" in problem(repository, "")


def test_a_file_can_be_named_or_left_aside(repository: Path) -> None:
    write(repository, "server_version = 14")
    write(repository / "ci", "server_version = 17", "strict.toml")
    assert load_config(current=repository, file="ci/strict.toml").server_version == 17
    assert load_config(current=repository, isolated=True).server_version is None
    with pytest.raises(UsageError, match="no such file"):
        load_config(current=repository, file="none.toml")
    write(repository, "[project]", "pyproject.toml")
    with pytest.raises(UsageError, match=r"no \[tool.migsafe\] in it"):
        load_config(current=repository, file="pyproject.toml")


def test_windows_line_ends_and_a_bom_change_nothing(repository: Path) -> None:
    (repository / "migsafe.toml").write_bytes("\ufeffserver_version = 16\r\nfail_on = 'x'\r\n".encode())
    with pytest.raises(UsageError, match=r"^migsafe\.toml:2: 'fail_on' cannot be 'x'"):
        load_config(current=repository)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("server_version = 16", "server-version = 16", "2: unknown key 'server-version'; did you mean 'ser"),
        (
            "server_version = 16",
            "server_version = 13",
            "2: 'server_version' is a whole number, 14 to 18, not",
        ),
        ("server_version = 16", "server_version = true", "2: 'server_version' is a whole number, 14 to 18"),
        ("server_version = 16", 'server_version = "16"', "2: 'server_version' is a whole number, 14 to 18"),
        ('"always"', '"allways"', "3: 'transaction' cannot be 'allways'; did you mean 'always'?"),
        ('"warning"\nschema', '"warn"\nschema', "4: 'fail_on' cannot be 'warn'; did you mean 'warning'?"),
        ('"db/structure.sql"', "3", "5: 'schema' is a text, not 3"),
        ('["**/vendor/**"]', '"**/vendor/**"', "7: 'exclude' is a list of texts, not '**/vendor/**'"),
        ("= 500", "= -1", "9: 'small_table_rows' is a whole number from 0, not -1"),
        ('= "contract" }', '= "contrct" }', "10: 'migrations/contract/**' in 'phases' cannot be 'contrct'"),
        (
            'timeout = "off"',
            'timeout = "of"',
            "13: 'missing-lock-timeout' in 'rules' cannot be 'of'; did you",
        ),
        ('timeout = "off"', "timeout = false", "13: 'missing-lock-timeout' in 'rules' cannot be False"),
        (
            'kind = "alembic"',
            'kind = "alembik"',
            "17: 'kind' in [[sources]] number 1 cannot be 'alembik'; di",
        ),
        ("timeout = 5", "timeout = 0", "'timeout' in [[sources]] number 1 is a number of seconds above 0"),
        ('{ STAGE = "ci" }', "{ STAGE = 1 }", "'environment' in [[sources]] number 1 is a table of texts"),
        ("[[sources]]", "[sources]", "16: 'sources' is written as [[sources]] tables"),
        ('match = "services/billing/**"\n', "", "'match' is missing in [[paths]] number 1"),
        ('match = "services/billing/**"', "match = 3", "25: 'match' in [[paths]] number 1 is a pattern or"),
        (
            "\nserver_version = 14",
            "\nserver_verson = 14",
            "26: unknown key 'server_verson' in [[paths]] numb",
        ),
        ("[rules]", "[rules", "not valid TOML"),
        ("[rules]", "[[rules]]", "'rules' is a table"),
    ],
)
def test_a_mistake_names_its_line_and_what_was_meant(
    repository: Path, old: str, new: str, message: str
) -> None:
    assert old in EVERYTHING
    said = problem(repository, EVERYTHING.replace(old, new, 1))
    assert said.startswith("migsafe.toml:")
    assert message in said


def test_later_paths_win_and_flags_win_over_all(repository: Path) -> None:
    config = load_config(current=write(repository, EVERYTHING))
    plain = config.for_path("migrations/1.sql")
    assert (plain.server_version, plain.transaction, plain.phase) == (16, Transaction.ALWAYS, None)
    assert [layer.keys for layer in plain.layers] == [("rules",)]
    billing = config.for_path("services/billing/1.sql")
    assert (billing.server_version, billing.transaction) == (14, Transaction.NEVER)
    assert [layer.keys for layer in billing.layers] == [("rules",), ("paths", 0, "rules")]
    old = config.for_path("services/billing/old/1.sql")
    assert (old.server_version, old.phase, old.small_tables) == (14, ScriptPhase.CONTRACT, ())
    assert config.for_path("migrations/contract/9.sql").phase is ScriptPhase.CONTRACT
    assert config.for_path("anywhere/a.legacy.sql").phase is ScriptPhase.CONTRACT
    flags = Flags(
        server_version=18,
        transaction=Transaction.AUTO,
        rules=RuleLayer(levels={"locks": Level.OFF}, where="--rule"),
    )
    flagged = config.with_flags(flags).for_path("services/billing/1.sql")
    assert (flagged.server_version, flagged.transaction) == (18, Transaction.AUTO)
    assert flagged.layers[-1].where == "--rule"


def test_every_setting_of_a_source_can_be_configured(tmp_path: Path) -> None:
    values = {
        "kind": '"flyway"',
        "path": '"db"',
        "start_after": '"V2"',
        "python": '"bin/python"',
        "timeout": "2.5",
        "environment": '{ A = "b" }',
        "arguments": '["tenant=a"]',
        "section": '"two"',
        "run_env": "false",
        "placeholders": '{ schema = "shop" }',
    }
    assert set(values) == {each.name for each in dataclasses.fields(SourceSettings)}
    text = "[[sources]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
    (tmp_path / "migsafe.toml").write_text(text, encoding="utf-8")
    (source,) = load_config(current=tmp_path).sources
    unchanged = SourceSettings()
    assert all(getattr(source, key) != getattr(unchanged, key) for key in values)
