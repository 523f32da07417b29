"""`migsafe status`: where rollouts stand."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from migsafe.cli.formats import StatusFormat, print_json
from migsafe.cli.rollouts import DATABASE, connected, looks_like_a_file, rollout_name
from migsafe.cli.run import KILL, KILL_SUPERUSERS

if TYPE_CHECKING:
    from migsafe.run.connect import Conn
    from migsafe.run.kill import KillRule
    from migsafe.run.ledger.model import Rollout
    from migsafe.run.ledger.quarantine import QuarantinedRow
    from migsafe.run.ledger.workers import WorkerRow
    from migsafe.run.status import StepStatus


_LISTED = 20


def status(
    plan: str | None = typer.Argument(
        None, help="A plan file, or the name of a rollout. [default: all rollouts]", metavar="PLAN"
    ),
    *,
    database: str | None = DATABASE,
    kill: list[str] = KILL,
    kill_superusers: bool = KILL_SUPERUSERS,
    output_format: StatusFormat = typer.Option(
        StatusFormat.TEXT,
        "--format",
        help="text, json, or prometheus: metrics of the whole rollout, for a textfile collector.",
    ),
) -> None:
    """Show where a rollout stands on both tracks, who runs it, and what going back means."""
    from migsafe.rollout.requests import known_rollout
    from migsafe.run.connect import database_url
    from migsafe.run.kill import read_rules
    from migsafe.run.ledger.rollouts import list_rollouts, read_rollout
    from migsafe.run.telemetry.exposition import expose
    from migsafe.run.telemetry.of_ledger import ledger_families

    dsn, rules = database_url(database), read_rules(kill)
    with connected(dsn) as conn:
        if plan is None:
            found = list_rollouts(conn)
        elif looks_like_a_file(plan):
            begun = read_rollout(conn, rollout_name(plan))
            found = (begun,) if begun else ()
        else:
            found = (known_rollout(conn, plan),)
        if output_format is StatusFormat.PROMETHEUS:
            typer.echo(expose(ledger_families(conn, found)), nl=False)
            return
        documents = [
            _document(conn, rollout) | {"in_the_way": _in_the_way(conn, rollout, rules, kill_superusers)}
            for rollout in found
        ]
    if output_format is StatusFormat.JSON:
        print_json({"format_version": 1, "rollouts": documents})
        return
    if not documents:
        typer.echo("this plan was not begun in this database" if plan else "no rollout in this database")
    typer.echo("\n\n".join(_text(document) for document in documents), nl=bool(documents))


def _document(conn: "Conn", rollout: "Rollout") -> dict[str, Any]:
    from migsafe.errors import PlanError
    from migsafe.plan.toml.file import read_plan
    from migsafe.rollout.advice import going_back, points_of_no_return
    from migsafe.run.building import read_builds
    from migsafe.run.connect import application_name
    from migsafe.run.lease import read_holder
    from migsafe.run.ledger.blocked import read_blocked
    from migsafe.run.ledger.chunks import read_methods
    from migsafe.run.ledger.pace import read_pace
    from migsafe.run.ledger.quarantine import read_quarantine
    from migsafe.run.ledger.rollouts import UNREPRESENTABLE, count_sync_events
    from migsafe.run.ledger.steps import read_steps
    from migsafe.run.ledger.workers import read_workers
    from migsafe.run.pace.show import pace_document
    from migsafe.run.status import step_status, verified

    holder = read_holder(conn, rollout.id)
    at_work = holder is not None and holder.alive
    events = count_sync_events(conn, rollout.name)
    blocked = read_blocked(conn, rollout.id)
    lost, rows = events.get(UNREPRESENTABLE, 0), read_steps(conn, rollout.id)
    try:
        plan = read_plan(rollout.plan, file="the ledger")
    except PlanError:
        plan = None
    return {
        "rollout": rollout.name,
        "summary": plan.summary if plan else "",
        "stage": rollout.stage.value,
        "stage_since": rollout.stage_at.isoformat(),
        "state": rollout.state.value,
        "reason": rollout.reason,
        "request": rollout.request.value if rollout.request else None,
        "green_percent": rollout.green_percent,
        "intended_green_percent": rollout.intended_green_percent,
        "holder": {
            "process": str(holder.process),
            "silent_seconds": holder.silent_seconds,
            "alive": holder.alive,
        }
        if holder
        else None,
        "workers": [_worker(row) for row in read_workers(conn, rollout.id)],
        "methods": read_methods(conn, rollout.id),
        "steps": [_step(step_status(row, at_work=at_work)) for row in rows],
        "building": [
            {**asdict(each), "percent": round(100 * each.fraction, 1)}
            for each in read_builds(conn, name=application_name(rollout.name))
        ],
        "pace": pace_document(read_pace(conn, rollout.id), at_work=at_work),
        "sync_events": events,
        "blocked": {
            "seconds": round(blocked.seconds, 3),
            "longest_seconds": round(blocked.longest_seconds, 3),
            "waits": blocked.waits,
            "gave_way": blocked.gave_way,
            "last_waiter": blocked.last_waiter,
        },
        "quarantine": [_quarantined(row) for row in read_quarantine(conn, rollout.id)],
        "verification": [asdict(each) for each in verified(rows)],
        "going_back": going_back(plan, rollout.stage) if plan else "",
        "points_of_no_return": points_of_no_return(plan, rollout.stage, lost, rows) if plan else {},
    }


def _worker(worker: "WorkerRow") -> dict[str, Any]:
    return {
        "host": worker.process.host,
        "pid": worker.process.pid,
        "process": str(worker.process),
        "leads": worker.leads,
        "alive": worker.alive,
        "silent_seconds": worker.silent_seconds,
        "step": worker.step,
        "chunk": worker.chunk,
        "relation": worker.relation,
        "first_page": worker.first,
        "last_page": worker.last,
        "method": worker.method,
        "rows_per_second": round(worker.rows_per_second, 1),
    }


def _worker_line(worker: dict[str, Any]) -> str:
    life = f"last sign of life {worker['silent_seconds']:.0f} s ago"
    if worker["chunk"] is None:
        return f"{worker['process']}, nothing to do, {life}"
    return (
        f"{worker['process']}, chunk {worker['chunk']} (pages {worker['first_page']} to "
        f"{worker['last_page']} of {worker['relation']}), {worker['rows_per_second']:,.0f} rows/s, {life}"
    )


def _step(step: "StepStatus") -> dict[str, Any]:
    measured = {
        "percent": None if step.fraction is None else round(100 * step.fraction, 1),
        "rows_per_second": step.rows_per_second,
        "eta_seconds": None if step.eta_seconds is None else round(step.eta_seconds, 1),
        "error": step.error,
    }
    return {
        "id": step.id,
        "title": step.title,
        "stage": step.stage.value,
        "state": step.state.value,
        "rows": step.rows,
    } | {key: value for key, value in measured.items() if value is not None}


def _in_the_way(
    conn: "Conn", rollout: "Rollout", rules: "tuple[KillRule, ...]", superusers: bool
) -> list[dict[str, Any]]:
    """Who would make the next step with strong locks wait, if it began now, and what --kill would do."""
    from migsafe.run.approach import sessions_in_the_way
    from migsafe.run.kill import why_not

    found = []
    for blocker in sessions_in_the_way(conn, rollout):
        reason = why_not(blocker, rules, superusers=superusers)
        found.append(
            {
                "session": str(blocker),
                "pid": blocker.pid,
                "kind": blocker.kind.value,
                "transaction_seconds": round(blocker.transaction_seconds, 1),
                "would_be_ended": reason is None,
                "why_not": reason,
            }
        )
    return found


def _quarantined(row: "QuarantinedRow") -> dict[str, Any]:
    document = {
        "step": row.step,
        "relation": row.relation,
        "key": row.key,
        "name": row.name,
        "error": row.error,
        "sqlstate": row.sqlstate,
        "attempts": row.attempts,
        "since": row.first_at.isoformat(),
    }
    if row.waived_at is not None:
        document["waived"] = {
            "at": row.waived_at.isoformat(),
            "by": row.waived_by,
            "reason": row.waived_reason,
        }
    return document


def _blocked_line(blocked: dict[str, Any]) -> str:
    from migsafe.cli.render import duration

    return (
        f"  blocked      {duration(blocked['seconds'])} in {blocked['waits']} waits of the application, "
        f"the longest {duration(blocked['longest_seconds'])}; gave way {blocked['gave_way']} times"
    )


def _verification_lines(found: list[dict[str, Any]]) -> list[str]:
    lines = []
    for each in found:
        if each["mismatched"]:
            lines.append(f"  verification {each['mismatched']:,} rows are not right: {each['title']}")
            rows = each["mismatches"][:_LISTED]
            lines += ["    " + ", ".join(f"{key} = {value}" for key, value in row.items()) for row in rows]
            if each["mismatched"] > len(rows):
                lines.append(
                    f"    and {each['mismatched'] - len(rows):,} more (--format json lists up to 100)"
                )
        elif each["clean"] and each["during"] != "verify":
            lines.append(f"  verification all rows looked at again at {each['at'][:19]}: {each['title']}")
    return lines


def _quarantine_lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows[:_LISTED]:
        waived = f" (waived by {row['waived']['by']}: {row['waived']['reason']})" if "waived" in row else ""
        lines.append(f"  quarantine   {row['name']} of {row['relation']}: {row['error']}{waived}")
    if len(rows) > _LISTED:
        lines.append(f"  quarantine   and {len(rows) - _LISTED} more (--format json lists all)")
    return lines


def _step_line(step: dict[str, Any]) -> str:
    from migsafe.cli.render import duration

    parts = [f"{step['state']:<12} {step['title']}"]
    if "percent" in step and step["state"] != "done":
        parts.append(f"{step['percent']:.0f} %")
    if step["rows"]:
        parts.append(f"{step['rows']:,} rows")
    if step.get("rows_per_second"):
        parts.append(f"{step['rows_per_second']:,.0f} rows/s")
    if "eta_seconds" in step:
        parts.append(f"ETA {duration(step['eta_seconds'])}")
    return ", ".join(parts) + (f": {step['error']}" if "error" in step else "")


def _text(document: dict[str, Any]) -> str:
    from migsafe.run.pace.show import pace_lines

    reason = f" ({document['reason']})" if document["reason"] else ""
    holder, request = document["holder"], document["request"]
    runs = (
        f"{holder['process']}, last sign of life {holder['silent_seconds']:.0f} s ago" if holder else "nobody"
    )
    green = document["green_percent"]
    lines = [
        f"{document['rollout']}: {document['summary']}",
        f"  stage        {document['stage']}, since {document['stage_since'][:19].replace('T', ' ')}",
        f"  state        {document['state']}{reason}",
        f"  traffic      green {green} %, blue {100 - green} %",
        f"  run by       {runs}" + (f"; asked to {request}" if request else ""),
    ]
    if document["intended_green_percent"] != green:
        lines[3] += f" (green {document['intended_green_percent']} % was intended and not confirmed)"
    lines += [f"  worker       {_worker_line(worker)}" for worker in document["workers"]]
    lines += [f"  {_step_line(step)}" for step in document["steps"]]
    lines += [f"  method       {method}" for method in document["methods"]]
    lines += pace_lines(document["pace"])
    events = document["sync_events"]
    if events:
        lines.append("  sync         " + ", ".join(f"{count} {kind}" for kind, count in events.items()))
    if document["blocked"]["waits"]:
        lines.append(_blocked_line(document["blocked"]))
    for build in document["building"]:
        waits = f", waits for {'; '.join(build['waits_for'])}" if build["waits_for"] else ""
        lines.append(f"  building     {build['index']}, {build['percent']:.0f} %, {build['phase']}{waits}")
    lines += _quarantine_lines(document["quarantine"])
    lines += _verification_lines(document["verification"])
    for each in document["in_the_way"]:
        fate = "would be ended" if each["would_be_ended"] else f"stays: {each['why_not']}"
        lines.append(f"  in the way   {each['session']} ({fate})")
    lines.append(f"  going back   {document['going_back']}")
    lines.append(
        "  no return    " + "; ".join(f"{k}: {v}" for k, v in document["points_of_no_return"].items())
    )
    return "\n".join(lines)
