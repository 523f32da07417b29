"""Nothing is left behind: no process, no directory, however the demo ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migsafe.demo.directory import one_interrupt, working_directory

WORLD = """
import os, time
from migsafe.demo.directory import one_interrupt, working_directory
from migsafe.demo.world import World
from migsafe.plan.stages import Version
with one_interrupt(), working_directory(keep=False) as directory, World(directory) as world:
    world.start_database(1000)
    world.start_application(Version.BLUE)
    world.start_application(Version.GREEN)
    world.start_proxy()
    world.start_load(rows=1000, rate=50)
    print(directory, flush=True)
    time.sleep(60)
"""


def processes_with(marker: str) -> list[str]:
    """Command lines and environments that mention the directory or descend from the demo's process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if marker.encode() in text:
                    found.append(f"{entry.name}: {text[:80]!r}")
    return found


def left_after(number: int, marker: str) -> tuple[list[str], bool, int]:
    """Starts a world, sends the signal; gives the processes left, whether the directory is, and the code."""
    with subprocess.Popen(
        [sys.executable, "-c", WORLD],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "MIGSAFE_TEST_MARKER": marker},
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        directory = Path(demo.stdout.readline().strip())
        assert directory.is_dir()
        assert len(processes_with(marker)) > 6  # server, proxy, two applications, load, watchdogs
        demo.send_signal(number)
        code = demo.wait(30)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and (processes_with(marker) or directory.exists()):
        time.sleep(0.1)
    return processes_with(marker), directory.exists(), code


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_and_no_directory_is_left(number: signal.Signals, tmp_path: Path) -> None:
    processes, directory_exists, code = left_after(number, f"marker-{tmp_path.name}-{os.getpid()}")
    assert processes == []
    assert not directory_exists
    assert code != 0


def test_a_second_interrupt_does_not_disturb_the_cleaning_up() -> None:
    cleaned = []

    def be_interrupted() -> None:
        with one_interrupt():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.05)
                cleaned.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert cleaned == ["all of it"]


def test_a_directory_that_is_to_be_kept_stays() -> None:
    with working_directory(keep=True) as kept:
        (kept / "plan.toml").write_text("")
    assert (kept / "plan.toml").exists()
    (kept / "plan.toml").unlink()
    kept.rmdir()
