"""Every fixture is repaired as it says; what is repaired is clean, and repairing it again changes nothing."""

import pytest

from tests.lint.fix.cases import CASES, ROOT, Case, repair

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cases
def test_a_script_is_repaired_as_its_fixture_says(case: Case, pytestconfig: pytest.Config) -> None:
    done = repair(case)
    if pytestconfig.getoption("--update-golden"):
        path = ROOT / f"{case.name}.sql"
        text = path.read_text(encoding="utf-8")
        if "---- fixed\n" in text:
            path.write_text(text.partition("---- fixed\n")[0] + f"---- fixed\n{done.text}", encoding="utf-8")
            return
    assert done.text == case.fixed
    assert sorted(finding.rule for finding in done.left) == sorted(case.left)
    if case.reason:
        assert case.reason in " ".join(finding.not_fixed for finding in done.left)


@cases
def test_repairing_twice_is_repairing_once(case: Case) -> None:
    assert repair(case, case.fixed).text == case.fixed


@cases
def test_a_fixture_is_repaired_or_says_why_not(case: Case) -> None:
    assert (case.fixed != case.script) != case.name.startswith("refused/")
