"""`migsafe status` says who is in the way of the next step, and whom a kill policy would end."""

import json
from pathlib import Path

import psycopg

from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.run.runner import hold
from tests.cli.test_run import migsafe
from tests.run.plans import make_plan


def test_status_names_them_and_whom_the_policy_would_end(database: str, tmp_path: Path) -> None:
    step = DdlStep(
        id="add", stage=Stage.EXPANDED, title="Add", sql=("ALTER TABLE users ADD COLUMN extra int",)
    )
    plan = make_plan((step,))
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(plan))
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id int)")
    with hold(plan, database):
        pass
    with psycopg.connect(database, application_name="reports") as reader:
        reader.execute("SELECT count(*) FROM users")
        plain = migsafe("status", "rename", dsn=database)
        assert "in the way   pid" in plain.stdout
        assert "(stays: the kill policy does not name 'idle-in-transaction')" in plain.stdout
        rules = ("--kill", "idle-in-transaction:0", "--kill-superusers")
        found = migsafe("status", "rename", *rules, "--format", "json", dsn=database)
        session = json.loads(found.stdout)["rollouts"][0]["in_the_way"][0]
        assert (session["pid"], session["kind"]) == (reader.info.backend_pid, "idle-in-transaction")
        assert session["would_be_ended"] is True
        assert session["why_not"] is None
        reader.execute("SELECT 1")  # nobody was ended
        wrong = migsafe("run", str(path), "--kill", "wraparound", dsn=database)
        assert wrong.returncode == 2
        assert "'wraparound' is no kill rule" in wrong.stderr
        ended = migsafe("run", str(path), "--to", "expanded", *rules, "--format", "json", dsn=database)
        assert ended.returncode == 0, ended.stderr
        assert "will be ended, if it is still in the way: pid" in ended.stderr
        assert len(json.loads(ended.stdout)["sessions_ended"]) == 1
        reader.close()
