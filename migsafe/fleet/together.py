"""The invariant for a fleet: an application that uses all databases must work on the stage of every one.

Pure: it decides about readings. Where each database has an application of its own, each stands for itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from migsafe.errors import StateRefused
from migsafe.fleet.model import Application, listed
from migsafe.fleet.reading import Reading
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.run.order import up_to


def allowed(plan: Plan, stages: Iterable[Stage]) -> tuple[Version, ...]:
    """The versions that may receive traffic while the databases stand in these stages."""
    found = tuple(stages)
    return tuple(
        version for version in Version if all(plan.compatibility.allows(version, stage) for stage in found)
    )


def require_no_traffic(plan: Plan) -> None:
    """Make sure that no database's rollout would move the traffic of all.

    Raises:
        StateRefused: The plan moves traffic.
    """
    if plan.traffic is not None:
        raise StateRefused(
            f"the plan '{plan.name}' moves traffic, and each database would do so for itself: with the first "
            "one, requests of the new version would reach databases that are not ready for it",
            advice="Take [traffic] out of the plan. `migsafe fleet run` brings all databases to 'verified'; "
            "then move the traffic, and when the old version is gone: "
            "migsafe fleet contract --old-version-gone",
        )


def require_contract(
    plan: Plan, fleet: Sequence[Reading], chosen: Sequence[Reading], target: Stage, application: Application
) -> None:
    """Make sure that the old shape may go from the chosen databases.

    With one application, no database loses its old shape while another one still needs the old version; and
    none is dropped, which cannot be taken back, while another one is not even renamed.

    Raises:
        StateRefused: A database is not there yet, cannot be asked, has another plan, or still has sessions of
            the old version.
    """
    needed = up_to(plan, Stage.TOMBSTONED if target is Stage.DROPPED else Stage.VERIFIED)
    concerned = fleet if application is Application.ONE else chosen
    _require_known(concerned)
    _require_one_plan(concerned)
    behind = [each for each in concerned if each.stage.position < needed.position]
    if behind:
        raise StateRefused(
            f"too early to {'drop' if target is Stage.DROPPED else 'contract'}: {len(behind)} of "
            f"{len(concerned)} databases have not reached '{needed}': {_with_stages(behind)}",
            advice=_how_to_reach(needed, application),
        )
    old = {each.name: each.blue_sessions for each in concerned if each.blue_sessions}
    if old and plan.contract.blue_application_name:
        counts = listed(f"{name} ({count})" for name, count in old.items())
        raise StateRefused(
            f"the old version is not gone: sessions of '{plan.contract.blue_application_name}' in {counts}",
            advice="Stop it everywhere, then run the same command again.",
        )


def require_way_back(
    plan: Plan,
    fleet: Sequence[Reading],
    chosen: Sequence[Reading],
    application: Application,
    *,
    new_version_gone: bool,
) -> None:
    """Make sure that the chosen databases may go back to 'planned' while the others stay as they are.

    Raises:
        StateRefused: No version of the application would work on all databases, or one is dropped, or nobody
            said that the new version is gone.
    """
    dropped = [each for each in chosen if each.stage is Stage.DROPPED]
    if dropped:
        raise StateRefused(
            f"there is no way back from 'dropped': {listed(each.name for each in dropped)}",
            advice="Restore the old shape from a backup, or go on with the new version.",
        )
    _require_said(plan, chosen, new_version_gone=new_version_gone)
    if application is Application.EACH or not plan.application_change:
        return
    _require_known(fleet)
    names = {each.name for each in chosen}
    after = {each.name: Stage.PLANNED if each.name in names else each.stage for each in fleet}
    if not allowed(plan, after.values()):
        staying = [each for each in fleet if each.name not in names and not _takes_blue(plan, each.stage)]
        raise StateRefused(
            f"refused: the old version does not work on {_with_stages(staying)}, and the new one would not "
            "work on those that are taken back: no version would be left that works on all",
            advice="Take all of them back (without --only), or `migsafe fleet undo` those first. If each "
            'database has an application of its own, write application = "each" into the fleet\'s file.',
        )


def common(readings: Iterable[Reading]) -> Mapping[str, int]:
    """How many databases stand where, in the order of the stages; last those of which nobody knows."""
    found = Counter("unreachable" if each.problem else each.stage.value for each in readings)
    return {key: found[key] for key in (*Stage, "unreachable") if found[key]}


def _takes_blue(plan: Plan, stage: Stage) -> bool:
    return plan.compatibility.allows(Version.BLUE, stage)


def _require_said(plan: Plan, chosen: Sequence[Reading], *, new_version_gone: bool) -> None:
    in_service = [
        each for each in chosen if Stage.VERIFIED.position <= each.stage.position < Stage.DROPPED.position
    ]
    if plan.application_change and in_service and not new_version_gone:
        raise StateRefused(
            "the new version may be in service, and would lose what it needs in "
            + listed(each.name for each in in_service),
            advice="When it is not, or not any more, say so with --new-version-gone.",
        )


def _require_known(readings: Sequence[Reading]) -> None:
    unknown = [each for each in readings if each.problem]
    if unknown:
        raise StateRefused(
            f"nobody knows where {listed(each.name for each in unknown)} stands: {unknown[0].problem}",
            advice=unknown[0].advice or "All databases of the fleet must answer for this.",
        )


def _require_one_plan(readings: Sequence[Reading]) -> None:
    marks = {each.fingerprint for each in readings if each.begun}
    if len(marks) > 1:
        raise StateRefused(
            "not all databases have the same plan under this name",
            advice="`migsafe fleet status` shows which differ: take those back and run them with this plan.",
        )


def _with_stages(readings: Sequence[Reading]) -> str:
    return listed(f"{each.name} ({each.stage})" for each in readings)


def _how_to_reach(needed: Stage, application: Application) -> str:
    command = "`migsafe fleet contract`" if needed is Stage.TOMBSTONED else "`migsafe fleet run`"
    if application is Application.ONE:
        return (
            f"{command} brings them there. One application uses all databases, so --only does not change "
            'this; if each has an application of its own, write application = "each" into the fleet\'s file.'
        )
    return f"{command} brings them there; or leave them out with --only."
