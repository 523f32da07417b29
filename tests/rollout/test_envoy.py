import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migsafe.demo.envoy import envoy
from migsafe.errors import TrafficError

PARENT = """
import time
from migsafe.demo.envoy import envoy
with envoy(blue_port=1, green_port=2) as running:
    print(running.process_id, flush=True)
    time.sleep(60)
"""


def is_alive(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_dead(process_id: int) -> bool:
    deadline = time.monotonic() + 10
    while is_alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(process_id)


def test_envoy_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        assert is_alive(process_id)
        os.kill(parent.pid, signal.SIGKILL)
    assert wait_until_dead(process_id)


def test_envoy_is_gone_and_its_folder_removed_after_the_block() -> None:
    with envoy(blue_port=1, green_port=2) as running:
        assert running.log.parent.exists()
    assert wait_until_dead(running.process_id)
    assert not running.log.parent.exists()


def test_an_envoy_that_cannot_start_says_why_and_keeps_its_files() -> None:
    with (
        pytest.raises(TrafficError, match="did not become ready") as failure,
        envoy(blue_port=-1, green_port=2),
    ):
        pass
    kept = Path(failure.value.advice.removeprefix("its files are kept in "))
    assert (kept / "envoy.json").exists()
    assert "port" in failure.value.message
    shutil.rmtree(kept)
