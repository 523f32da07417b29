"""A mistake in a rule file is an error that names the file, the key, and what was probably meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from migsafe.errors import MigsafeError, RuleError, UsageError
from migsafe.lint.facts import fact_types, operation_kinds
from migsafe.lint.parse_rule import FAMILIES
from migsafe.lint.rules import find_rule, load_rules, rules_folder, shipped_rules

GOOD = """
id = "MS201"
name = "volatile-default"
title = "Adding a column with a volatile default rewrites the table"
message = "The default of {table}.{column} is volatile"
severity = "error"
why = "The table is rewritten."
instead = "SELECT 1;"
sources = ["https://www.postgresql.org/docs/current/sql-altertable.html"]

[[when]]
op = "add_column"
default_volatile = true

[[bad]]
sql = "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();"

[[good]]
sql = "ALTER TABLE users ADD COLUMN token uuid;"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_rule(text: str, *, family: str = "rewrites", name: str = "volatile-default") -> Path:
        path = tmp_path / "rules" / family / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return tmp_path / "rules"

    return write_rule


def test_a_complete_rule_is_read(write: Callable[..., Path]) -> None:
    (rule,) = load_rules(write(GOOD))
    assert (rule.id, rule.name, rule.family, rule.severity) == (
        "MS201",
        "volatile-default",
        "rewrites",
        "error",
    )
    assert rule.when[0].wanted == (("op", ("add_column",)), ("default_volatile", (True,)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("default_volatile", "default_volatlie", "unknown fact 'default_volatlie' in [[when]]; did you mean"),
        ("title =", "titel =", "unknown key 'titel'; did you mean 'title'?"),
        ('severity = "error"', 'severity = "eror"', "'severity' cannot be 'eror'; did you mean 'error'?"),
        ('severity = "error"', "severity = 3", "'severity' is a text that says something, not 3"),
        ("default_volatile = true", 'default_volatile = "yes"', "is true or false, not 'yes'"),
        ('op = "add_column"', "op = true", "'op' in [[when]] is text, not True"),
        ('op = "add_column"', 'op = "add_colum"', "cannot be 'add_colum'; did you mean 'add_column'?"),
        ('op = "add_column"', "op = []", "'op' in [[when]] has no values"),
        ('id = "MS201"', 'id = "MS301"', "id 'MS301' is not of the family 'rewrites': MS2xx"),
        ('id = "MS201"', 'id = "MS2"', "id 'MS2' is not of the family"),
        ('name = "volatile-default"', 'name = "volatile"', "is not the file's name 'volatile-default'"),
        ('why = "The table is rewritten."\n', "", "'why' is missing"),
        ('why = "The table is rewritten."\n', 'why = " "\n', "'why' is a text that says something"),
        ("{table}", "{tabel}", "unknown fact 'tabel' in 'message'; did you mean 'table'?"),
        ("{table}", "{table", "'message' cannot be filled in"),
        ("[[good]]\nsql", "[[good]]\nsqll", "unknown key 'sqll' in [[good]]; did you mean 'sql'?"),
        ('[[bad]]\nsql = "ALTER', '[[bad]]\nsetup = "ALTER', "'sql' is missing in [[bad]]"),
        ("[[good]]", "[good]", "'good' is written as [[good]] tables"),
        ("[[good]]\n", "[[good]]\nsettings = 3\n", "'settings' in [[good]] is a table of texts"),
        ("[[bad]]\n", "[[bad]]\nobserved = 3\n", "'observed' in [[bad]] is a list of texts"),
        ("[[bad]]\n", '[[bad]]\nalso = ["volatile-defalt"]\n', "did you mean 'volatile-default'?"),
        ('op = "add_column"\ndefault_volatile = true', "", "an empty [[when]] would match everything"),
        ("id =", "id", "not valid TOML"),
    ],
)
def test_a_mistake_names_the_key(write: Callable[..., Path], old: str, new: str, problem: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError) as raised:
        load_rules(write(GOOD.replace(old, new, 1)))
    assert problem in raised.value.message
    assert "volatile-default" in raised.value.message


def test_the_message_names_the_file(write: Callable[..., Path]) -> None:
    with pytest.raises(RuleError, match=r"^rules/rewrites/volatile-default\.toml: "):
        load_rules(write(GOOD.replace("title =", "titel =")))


@pytest.mark.parametrize(("kind", "until"), [("bad", "[[good]]"), ("good", "")])
def test_a_rule_needs_both_examples(write: Callable[..., Path], kind: str, until: str) -> None:
    start = GOOD.index(f"[[{kind}]]")
    end = GOOD.index(until) if until else len(GOOD)
    with pytest.raises(RuleError, match=rf"no \[\[{kind}\]\] example"):
        load_rules(write(GOOD[:start] + GOOD[end:]))


def test_a_rule_without_a_safe_way_needs_no_good_example(write: Callable[..., Path]) -> None:
    text = GOOD[: GOOD.index("[[good]]")].replace('instead = "SELECT 1;"\n', "")
    assert load_rules(write(text))[0].instead == ""


def test_a_family_that_does_not_exist_is_an_error(write: Callable[..., Path]) -> None:
    with pytest.raises(RuleError, match="folder 'rewrite' is not a family; did you mean 'rewrites'"):
        load_rules(write(GOOD, family="rewrite"))


def test_a_name_is_kebab_case(write: Callable[..., Path]) -> None:
    with pytest.raises(RuleError, match="is not kebab-case"):
        load_rules(write(GOOD.replace('"volatile-default"', '"Volatile_default"'), name="Volatile_default"))


def test_an_id_is_given_once(write: Callable[..., Path]) -> None:
    write(GOOD)
    folder = write(GOOD.replace('"volatile-default"', '"other-default"'), name="other-default")
    with pytest.raises(RuleError, match=r"id 'MS201' is taken by .*other-default\.toml"):
        load_rules(folder)


def test_a_name_is_given_once(write: Callable[..., Path]) -> None:
    write(GOOD)
    folder = write(GOOD.replace("MS201", "MS101"), family="locks")
    with pytest.raises(RuleError, match="name 'volatile-default' is taken by"):
        load_rules(folder)


def test_a_folder_without_rules_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no rule files"):
        load_rules(tmp_path)


def test_the_shipped_rules_are_valid_and_in_order_of_their_ids() -> None:
    rules = shipped_rules()
    assert len(rules) == len(list(rules_folder().glob("*/*.toml"))) >= 20
    assert [rule.id for rule in rules] == sorted(rule.id for rule in rules)
    assert {path.name for path in rules_folder().iterdir()} <= set(FAMILIES)


def test_a_rule_is_found_by_name_and_by_id() -> None:
    assert find_rule(shipped_rules(), "ms201") is find_rule(shipped_rules(), "volatile-default")


def test_a_rule_that_does_not_exist_is_a_usage_error_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'volatile-default'"):
        find_rule(shipped_rules(), "volatile-defualt")


def test_facts_know_their_words() -> None:
    assert fact_types()["rewrites"] is bool
    assert "foreign_key" in str(fact_types()["constraint_kind"])
    assert fact_types()["table"] == ()
    assert {"add_column", "unread", "drop_index"} <= set(operation_kinds())
    assert not {"operation", "table_operation"} & set(operation_kinds())


def test_a_rule_error_is_one_of_ours() -> None:
    assert issubclass(RuleError, MigsafeError)
