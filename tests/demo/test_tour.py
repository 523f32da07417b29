"""The whole tour on a small table, with the real linter, planner, runner, controller, server and proxy."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migsafe.demo.outcome import Outcome
from migsafe.demo.story import Story
from migsafe.demo.tour import Tour, run_tour
from migsafe.plan.stages import Stage
from migsafe.postgres.account import temporary_root


def run(*, break_canary: bool = False) -> tuple[Outcome, list[str], str]:
    out = io.StringIO()
    tour = Tour(rows=5_000, break_canary=break_canary, least_requests=500, step_seconds=2.5, soak_seconds=1.0)
    outcome, problems = run_tour(tour, Story(out))
    return outcome, problems, out.getvalue()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own directory for temporary files, so that what is left there was left by this test."""
    path = Path(tempfile.mkdtemp(prefix="tour-", dir=temporary_root()))
    path.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_the_column_is_renamed_without_a_failed_request(temporary: Path) -> None:
    outcome, problems, text = run()
    assert problems == [], text
    assert outcome.load.failed == 0
    assert outcome.load.crossed > 20
    assert (outcome.stage, outcome.green_percent) == (Stage.DROPPED, 100)
    assert outcome.wrong_rows == 0
    assert outcome.backfilled_rows > 4_000
    assert outcome.looks[-1].columns == ("full_name",)
    assert "renamed-column" in text
    assert list(temporary.iterdir()) == []


def test_a_broken_green_is_caught_at_its_first_share_and_the_traffic_goes_back() -> None:
    outcome, problems, text = run(break_canary=True)
    assert problems == [], text
    assert outcome.retreat_reason
    assert set(outcome.load.failed_by_version) == {"green"}
    shares = [look.when for look in outcome.looks if look.when.startswith("green at")]
    assert shares[0] == "green at 5 %"
    assert set(shares) <= {"green at 5 %", "green at 0 %"}
    assert outcome.looks[-1].columns == ("name", "full_name")
    assert "fix green and run the plan again" in text
