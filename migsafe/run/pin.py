"""What the ledger keeps of a plan, so that a rollout cannot go on with another one by mistake."""

import hashlib
import json
from dataclasses import asdict

from migsafe.plan.model import Plan


def plan_json(plan: Plan) -> str:
    """The plan's data, the same text for equal plans."""
    steps = [{"kind": type(step).__name__, **asdict(step)} for step in plan.steps]
    return json.dumps({**asdict(plan), "steps": steps}, sort_keys=True, ensure_ascii=False, indent=1)


def fingerprint(plan: Plan) -> str:
    """A digest of everything that the plan says; the layout of its file does not matter."""
    return hashlib.sha256(plan_json(plan).encode()).hexdigest()
