"""Prediction against observation."""

from collections.abc import Iterable

from migsafe.effects.model import Effects, LockMode
from migsafe.effects.prediction import worse_of
from migsafe.sql.names import Name
from migsafe.verify.model import Observed
from migsafe.verify.observe import STRONG


def differences(
    predicted: Effects, observed: Observed, *, compare_scans: bool = True, certain_locks: bool | None = None
) -> tuple[str, ...]:
    """Where the prediction is wrong, in words; nothing when it is right.

    A certain prediction has to be equal, any other has to expect at least what happened. Without
    `compare_scans` what is read is left out: the planner decides on it. `certain_locks` is whether the locks
    are certain, where that is not what the rest is.
    """
    if observed.error:
        return _refused(predicted, observed)
    found: list[str] = []
    if predicted.fails and predicted.certain:
        found.append(f"expected an error ({predicted.fails}), but it ran")
    if predicted.needs_no_transaction != observed.needs_no_transaction:
        found.append(
            "it cannot run in a transaction"
            if observed.needs_no_transaction
            else "it can run in a transaction"
        )
    certain = predicted.certain if certain_locks is None else certain_locks
    found += _locks(predicted, observed, certain=certain)
    found += _names("rewrite", predicted.rewrites, observed.rewrites, certain=predicted.certain)
    if compare_scans:
        planned = set(predicted.may_scan)
        scans = [name for name in observed.scans if name not in planned or name in predicted.scans]
        needed = [name for name in predicted.scans if name not in planned or name in scans]
        found += _names("full scan", needed, scans, certain=predicted.certain)
    if observed.builds_index and not predicted.builds_index:
        found.append("it builds an index")
    elif predicted.certain and predicted.builds_index and not observed.builds_index:
        found.append("it builds no index")
    # Locks on indexes are not seen from outside.
    exact = predicted.certain and not observed.needs_no_transaction
    if worse_of(predicted.blocks, observed.blocks) != predicted.blocks or (
        exact and predicted.blocks != observed.blocks
    ):
        found.append(f"it blocks {observed.blocks}, not {predicted.blocks}")
    return tuple(found)


def _refused(predicted: Effects, observed: Observed) -> tuple[str, ...]:
    if predicted.fails or not predicted.certain:
        return ()
    return (f"the server refused it: {observed.error} ({observed.sqlstate})",)


def _locks(predicted: Effects, observed: Observed, *, certain: bool) -> list[str]:
    expected = {lock.relation: lock.mode for lock in predicted.locks if lock.mode >= STRONG}
    seen = {lock.relation: lock.mode for lock in observed.locks}
    found = []
    for name in sorted(expected.keys() | seen.keys()):
        here, there = expected.get(name), seen.get(name)
        if here == there or (not certain and (here or 0) > (there or 0)):
            continue
        found.append(f"it takes {_label(there)} on {name}, not {_label(here)}")
    return found


def _label(mode: LockMode | None) -> str:
    return mode.label if mode else "no strong lock"


def _names(what: str, expected: Iterable[Name], seen: Iterable[Name], *, certain: bool) -> list[str]:
    missing = sorted(set(seen) - set(expected))
    needless = sorted(set(expected) - set(seen)) if certain else []
    return [
        *(f"{what} of {name}, not expected" for name in missing),
        *(f"no {what} of {name}, but expected" for name in needless),
    ]
