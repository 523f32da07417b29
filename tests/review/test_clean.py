"""What a plan does is itself done as the rules want it: every step lints clean, and PostgreSQL takes it.

Every bad example of rules/ is planned, or fixtures/unplanned.toml says why there is no plan for it.
"""

import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError
from migsafe.lint.rules import shipped_rules
from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan
from migsafe.review.check import review_plan
from tests.plan.cases import load_cases
from tests.review.schemas import Reader

CASES = load_cases()
FILE = Path(__file__).parents[2] / "fixtures" / "unplanned.toml"
EXAMPLES = {
    f"{rule.name}-{number}": (rule, example)
    for rule in shipped_rules()
    for number, example in enumerate(rule.bad, 1)
}
NO_RECIPE, HARMLESS = "there is no recipe", "needs no rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplanned:
    """An example without a plan: what the command says to it, and why that is right. `open`: not for ever."""

    says: str
    because: str
    open: bool = False


def read_unplanned() -> dict[str, Unplanned]:
    found: dict[str, Unplanned] = {}
    for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["unplanned"]:
        numbers = entry.pop("examples", ())
        for name in entry.pop("rules"):
            rule = next(rule for rule in shipped_rules() if rule.name == name)
            for number in numbers or range(1, len(rule.bad) + 1):
                assert f"{name}-{number}" not in found, "said twice"
                found[f"{name}-{number}"] = Unplanned(**entry)
    return found


UNPLANNED = read_unplanned()
OUTCOMES: Counter[str] = Counter()


def check_clean(plan: Plan, catalog: Catalog) -> None:
    """The linter has nothing against any step, and the review of the file that was written finds nothing."""
    review = review_plan(dump_plan(plan), file="plan.toml", catalog=catalog)
    assert review.plan == plan
    assert review.lint is not None
    assert [f"{each.rule}: {each.message} [{each.statement}]" for each in review.lint.findings] == []
    assert [f"{each.step}: {each.text}" for each in review.problems] == []


@pytest.mark.parametrize("name", CASES)
def test_the_plan_of_every_case_lints_clean(name: str, catalog_of: Reader) -> None:
    case = CASES[name]
    catalog = catalog_of("SELECT 1")
    assert catalog.server_version is not None
    if catalog.server_version < case.min_version:
        pytest.skip(f"for PostgreSQL {case.min_version // 10_000} and newer")
    catalog = catalog_of(case.schema)
    check_clean(plan_migration(case.migration, catalog, case.plan_options("clean")), catalog)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_bad_example_has_a_clean_plan_or_a_reason(name: str, catalog_of: Reader) -> None:
    _, example = EXAMPLES[name]
    catalog = catalog_of(example.setup)
    plan, refusal = planned(example.sql, catalog)
    if plan is None:
        kinds = ((HARMLESS, "needs no plan"), (NO_RECIPE, "no recipe yet"))
        OUTCOMES[next((kind for said, kind in kinds if said in refusal), "refused with a reason")] += 1
        assert name in UNPLANNED, refusal
        assert UNPLANNED[name].open or UNPLANNED[name].says in refusal, refusal
        return
    OUTCOMES["planned, and clean"] += 1
    assert name not in UNPLANNED or UNPLANNED[name].open, "it has a plan now: take it out of the file"
    check_clean(plan, catalog)


def planned(migration: str, catalog: Catalog) -> tuple[Plan | None, str]:
    """The plan, or why there is none."""
    try:
        return plan_migration(migration, catalog, PlanOptions(name="clean")), ""
    except PlanError as error:
        return None, str(error)


def test_every_reason_is_one(proof_row: Callable[[str], None]) -> None:
    assert set(UNPLANNED) <= set(EXAMPLES)
    assert all(each.says and each.because.endswith(".") for each in UNPLANNED.values())
    if sum(OUTCOMES.values()) == len(EXAMPLES):
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(OUTCOMES.items()))
        proof_row(f"bad examples of rules/: {len(EXAMPLES)}: {counts}")
