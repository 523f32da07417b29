"""How much is proven, and from which seed."""

import os
import random

IS_SAMPLE = os.environ.get("MIGSAFE_PROOF") == "sample"


def seed_of() -> int:
    """MIGSAFE_KILL_SEED, to see once more what was seen; else any."""
    seed = int(os.environ.get("MIGSAFE_KILL_SEED") or random.randrange(10**6))
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    return seed
