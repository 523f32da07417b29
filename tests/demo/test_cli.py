"""The command line of the demo."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import migsafe.demo.envoy
import migsafe.postgres.binaries
from migsafe.demo.story import Story
from migsafe.demo.tour import Tour, run_tour
from migsafe.errors import UsageError


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "migsafe.cli.main", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


def test_help_names_every_option() -> None:
    answer = demo("--help")
    assert answer.returncode == 0
    for option in ("--rows", "--break", "--keep", "--format"):
        assert option in answer.stdout


@pytest.mark.parametrize(
    "wrong", [("--break", "everything"), ("--rows", "-1"), ("--rows", "many"), ("--nope",)]
)
def test_wrong_usage_exits_with_2(wrong: tuple[str, ...]) -> None:
    answer = demo(*wrong)
    assert answer.returncode == 2
    assert wrong[0] in answer.stderr
    assert answer.stdout == ""


def nothing() -> Iterator[Path]:
    return iter(())


@pytest.mark.parametrize("missing", ["server", "proxy"])
def test_a_missing_extra_is_said_before_anything_starts(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if missing == "server":
        monkeypatch.setattr(migsafe.postgres.binaries, "_wheel_directories", nothing)
        monkeypatch.setattr(migsafe.postgres.binaries, "_local_directories", nothing)
        monkeypatch.delenv("MIGSAFE_POSTGRES_BIN", raising=False)
    else:
        monkeypatch.setattr(migsafe.demo.envoy, "find_spec", lambda _name: None)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", str(tmp_path))
    with (tmp_path / "story").open("w+") as out:
        with pytest.raises(UsageError, match=r"pip install 'migsafe\[demo\]'"):
            run_tour(Tour(rows=1000), Story(out))
        assert out.tell() == 0


def test_an_interrupt_says_that_nothing_is_left() -> None:
    command = [sys.executable, "-m", "migsafe.cli.main", "demo", "--rows", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout is not None
        while "PostgreSQL" not in running.stdout.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait(30) == 130
    assert rest.endswith("Stopped; nothing of the demo is left.\n")


def test_json_alone_is_on_standard_output_and_the_directory_is_kept() -> None:
    answer = demo("--rows", "2000", "--format", "json", "--break", "canary", "--keep")
    result = json.loads(answer.stdout)
    assert (answer.returncode, result["problems"]) == (0, [])
    assert result["passed"] is True
    assert result["requests"]["total"] >= 5_000
    assert result["requests"]["failed"] == result["requests"]["failed_by_version"]["green"] > 0
    assert result["requests"]["failed_after_retreat"] == 0
    assert (result["green_percent"], result["stage"]) == (0, "dark")
    assert "The rollout" in answer.stderr
    kept = Path(result["directory"])
    assert (kept / "rename.plan.toml").is_file()
    assert list(kept.glob("migsafe-pg-*/data/PG_VERSION"))
    assert list(kept.glob("migsafe-envoy-*/envoy.json"))
    shutil.rmtree(kept)
    assert "\x1b" not in answer.stderr
