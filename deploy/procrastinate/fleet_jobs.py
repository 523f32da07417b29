"""A fleet driven by a job engine: one plan over many databases, as jobs of procrastinate.

    export JOBS_DATABASE_URL=postgresql://jobs@control/jobs     # where procrastinate keeps its jobs
    export MIGSAFE_PLAN=plan.toml MIGSAFE_FLEET=fleet.toml      # the plan, and the file of the fleet
    procrastinate --app=fleet_jobs.app schema --apply           # once
    procrastinate --app=fleet_jobs.app worker --concurrency 4   # on as many hosts as you like
    python fleet_jobs.py start                                  # begin, or go on: after a failure, too
    python fleet_jobs.py show                                   # how far it is, and what failed

A `migrate` job is one database: `migsafe fleet run --only NAME`. An `advance` job looks every few seconds: it
begins a wave when the one before is there, and stops everything on the first failure. Neither keeps a record
of what is done: that is in the ledgers of the databases, so jobs may be lost, killed, or done twice.
"""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job, Status

PLAN, FLEET = os.environ["MIGSAFE_PLAN"], os.environ["MIGSAFE_FLEET"]
QUEUE = "fleet"
LOOK_EVERY_SECONDS = int(os.environ.get("FLEET_LOOK_EVERY_SECONDS", "10"))

AT_WORK = "jobs are at work: see `show`; those of a worker that died are free after 30 seconds"

app = App(connector=PsycopgConnector(conninfo=os.environ["JOBS_DATABASE_URL"]))


class Stopped(Exception):
    """The fleet does not go on; the engine keeps this job as failed, with this text in its log."""


@app.task(name="migrate", queue=QUEUE)
def migrate(database: str, attempt: str) -> None:
    """Bring one database to the stage, or go on with it there. A thread of the worker waits for it."""
    ended = fleet("run", "--only", database, quiet=False)
    if ended.returncode != 0:
        raise Stopped(
            f"{database}: {ended.stderr.strip()[-2000:] or f'exit code {ended.returncode}'} ({attempt})"
        )


@app.task(name="advance", queue=QUEUE, lock="advance")
async def advance(attempt: str) -> None:
    """Look at the jobs of this attempt, and begin the next wave when all of them are done."""
    jobs = [job for job in await jobs_of("migrate") if job.task_kwargs["attempt"] == attempt]
    failed = [str(job.task_kwargs["database"]) for job in jobs if job.status == Status.FAILED.value]
    if failed:
        await stop(jobs)
        raise Stopped(f"{', '.join(failed)} failed: correct it, then `start` again")
    if any(job.status in (Status.TODO.value, Status.DOING.value) for job in jobs):
        await look_again(attempt)
        return
    wave = await asyncio.to_thread(next_wave)
    for database in wave:
        with suppress(AlreadyEnqueued):
            # The lock: never two jobs for one database. (Its lease says so as well.)
            waiting = migrate.configure(lock=f"database {database}", queueing_lock=f"database {database}")
            await waiting.defer_async(database=database, attempt=attempt)
    if wave:
        await look_again(attempt)


async def look_again(attempt: str) -> None:
    """Come back in a while."""
    await advance.configure(schedule_in={"seconds": LOOK_EVERY_SECONDS}).defer_async(attempt=attempt)


async def stop(jobs: list[Job]) -> None:
    """Begin no other database, and let those at work finish their piece of work."""
    for job in jobs:
        if job.status == Status.TODO.value and job.id is not None:
            await app.job_manager.cancel_job_by_id_async(job.id)
    await asyncio.to_thread(fleet, "pause")


async def start() -> None:
    """Begin, or go on. What dead workers left behind is given up first: the ledgers say how far it is."""
    for job in await app.job_manager.get_stalled_jobs(queue=QUEUE):
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
    jobs = [*await jobs_of("advance"), *await jobs_of("migrate")]
    if any(job.status == Status.DOING.value for job in jobs):
        raise SystemExit(AT_WORK)
    for job in jobs:
        todo = job.status == Status.TODO.value and job.id is not None
        # A worker may have begun it since: then there is an attempt, and must not be a second.
        if todo and not await app.job_manager.cancel_job_by_id_async(job.id):
            raise SystemExit(AT_WORK)
    await advance.defer_async(attempt=uuid.uuid4().hex[:8])


async def jobs_of(task: str) -> list[Job]:
    """All jobs of a task that the engine remembers."""
    return list(await app.job_manager.list_jobs_async(queue=QUEUE, task=task))


def next_wave() -> list[str]:
    """The databases of the first wave that is not there yet; empty when all are.

    Raises:
        Stopped: A database is not ready. `migsafe fleet check` asks them all, before each wave.
    """
    ended = fleet("check", "--format", "json")
    if ended.returncode != 0:
        raise Stopped(ended.stdout.strip() or ended.stderr.strip())
    document: dict[str, Any] = json.loads(ended.stdout)
    there = {each["database"] for each in document["databases"] if each["there"]}
    for wave in document["waves"]:
        todo = [database for database in wave if database not in there]
        if todo:
            return todo
    return []


def fleet(command: str, *options: str, quiet: bool = True) -> "subprocess.CompletedProcess[str]":
    """A command of `migsafe fleet`; its log is the worker's, if it is not to be quiet."""
    words = [sys.executable, "-m", "migsafe", "fleet", command, PLAN, "--databases", FLEET, *options]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)  # our own words
    if not quiet:
        sys.stdout.write(ended.stdout)
    return ended


async def show() -> None:
    """What the engine knows of this round, and what the databases know."""
    for task in ("advance", "migrate"):
        counts: dict[str, int] = {}
        for job in await jobs_of(task):
            counts[job.status or ""] = counts.get(job.status or "", 0) + 1
        sys.stdout.write(
            f"{task}: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}\n"
        )
    status = fleet("status")
    sys.stdout.write(status.stdout + status.stderr)


async def main(command: str) -> None:
    """Run one of the commands at the top."""
    async with app.open_async():
        match command:
            case "start":
                await start()
            case "show":
                await show()
            case _:
                raise SystemExit("python fleet_jobs.py start|show")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) == 2 else ""))
