"""What is set about the pace of a rollout, and changing it, from any terminal."""

from dataclasses import dataclass

from migsafe.config.limits import DEFAULT, Setting, find_setting, parse_limit
from migsafe.config.pace import Given, PaceSettings
from migsafe.errors import StateRefused
from migsafe.rollout.requests import known_rollout, living_holder
from migsafe.run.connect import Conn
from migsafe.run.ledger.install import install
from migsafe.run.ledger.model import Rollout, State
from migsafe.run.ledger.pace import read_pace, read_set_values, write_set_value
from migsafe.run.pace.limits import BY_DEFAULT, BY_HAND, Effective, effective, from_described


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A value before and now, and whether somebody is at work who takes it up."""

    former: Effective
    now: Effective
    is_running: bool


def known_settings(conn: Conn, name: str, here: PaceSettings) -> dict[str, Effective]:
    """All values of a rollout: from `migsafe set`, else from a runner at work, else the configuration here.

    Raises:
        UsageError: The ledger has no such rollout.
    """
    return _values(conn, known_rollout(conn, name), here)


def change_setting(conn: Conn, name: str, setting: str, value: str, here: PaceSettings) -> Changed:
    """Set it, or with `default` take back what was set.

    Raises:
        UsageError: There is no such rollout or setting, or it cannot have this value.
        StateRefused: The rollout is over.
    """
    rollout = known_rollout(conn, name)
    if rollout.state in (State.DONE, State.REVERTED):
        raise StateRefused(
            f"the rollout '{name}' is {rollout.state}: nothing of it will run", advice="See `migsafe status`."
        )
    former = _values(conn, rollout, here)
    wanted = find_setting(setting, _others(former))
    is_default = value.strip().lower() == DEFAULT
    if not is_default:
        parse_limit(wanted, value)
    install(conn)
    write_set_value(conn, rollout.id, setting, None if is_default else value.strip())
    return Changed(
        former=former[setting],
        now=_values(conn, rollout, here)[setting],
        is_running=living_holder(conn, rollout) is not None,
    )


def _others(values: dict[str, Effective]) -> tuple[Setting, ...]:
    return tuple(each.setting for each in values.values())


def _values(conn: Conn, rollout: Rollout, here: PaceSettings) -> dict[str, Effective]:
    by_hand = [
        Given(name=each.name, value=each.value, source=BY_HAND) for each in read_set_values(conn, rollout.id)
    ]
    found = effective(here, by_hand)
    row = read_pace(conn, rollout.id) if living_holder(conn, rollout) else None
    for each in from_described(row.state.get("values", ())) if row else ():
        name = each.setting.name
        if name not in found or (found[name].source != BY_HAND and each.source not in (BY_HAND, BY_DEFAULT)):
            found[name] = each
    return found
