"""A rename with traffic through the shop's proxy, at a pace for tests."""

from dataclasses import replace

from migsafe.plan.model import Contract, Gate, Plan, Traffic
from migsafe.rollout.watch import Pace
from tests.rollout.shop import Shop
from tests.run.plans import rename_plan

FAST = Pace(between_reads=0.1, slice=0.05)
# How fast a version answers is no part of it: other tests run beside.
ERRORS = Gate(
    name="errors",
    kind="canary",
    options={"min_requests": 5, "max_error_percent": 1.0, "latency_slack_ms": 5000.0},
)


def plan_for(shop: Shop, *gates: Gate, steps: tuple[int, ...] = (5, 25, 100), **traffic: float) -> Plan:
    times = {"step_seconds": 0.4, "hold_seconds": 20.0, **traffic}
    moves = Traffic(provider="envoy", options=shop.envoy.options, steps=steps, gates=gates, **times)
    return replace(rename_plan(passes=1), traffic=moves, contract=Contract(keep_seconds=0.0))
