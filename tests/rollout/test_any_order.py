"""run, pause, kill, retreat, revert, cancel, contract and undo in any order: the invariant holds after each.

Hypothesis chooses the commands, the moments at which they are interrupted, and the writes in between.
"""

import os
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from migsafe.postgres.server import Server
from tests.plan.cases import load_cases
from tests.plan.load.place import place_of
from tests.rollout.any_order import AnyOrder

CASES = load_cases()
PROVEN = ("columns/rename", "types/integer-to-bigint", "columns/split")
EXAMPLES = 3 if os.environ.get("MIGSAFE_PROOF") == "sample" else 25


def explore(server: Server, name: str, *, examples: int, steps: int, kills: bool) -> str:
    """What happened, in words."""
    happened = Counter[str]()
    with place_of(server, CASES[name]) as place:

        class Machine(AnyOrder):
            case, pattern = CASES[name], place

        Machine.kills, Machine.counts = kills, happened
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.explicit, Phase.generate),  # what fails is printed; a shorter one takes hours
                print_blob=True,
                deadline=None,
            ),
        )

    return ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))


def test_no_order_of_commands_breaks_the_invariant(server: Server) -> None:
    explore(server, "columns/rename", examples=2, steps=8, kills=False)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", PROVEN)
def test_no_order_of_commands_and_kills_breaks_the_invariant_of_any_plan(
    server: Server, name: str, proof_row: Callable[[str], None]
) -> None:
    happened = explore(server, name, examples=EXAMPLES, steps=15, kills=True)
    proof_row(f"commands in any order, {name}: {happened}")
