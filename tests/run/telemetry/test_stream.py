"""The stream of events to files and pipes, and what happens when they fail."""

import contextlib
import errno
import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from migsafe.errors import UsageError
from migsafe.run.events import Event, Notice, Progress
from migsafe.run.telemetry.sink import Telemetry
from migsafe.run.telemetry.stream import open_stream
from tests.run.telemetry.samples import ALL, BATCH, HALF, OPENED, PACE


class Said(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


def tell(target: str, *events: Event, said: Said | None = None) -> None:
    complain = Said() if said is None else said
    telemetry = Telemetry((open_stream(target, complain),), complain)
    for event in events:
        telemetry(event)
    telemetry.close()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_is_appended_to_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tell(str(path), OPENED, Notice(text="one"))
    tell(str(path), OPENED, Notice(text="two"))
    assert [(line["event"], line["rollout"], line["sequence"]) for line in lines(path)] == [
        ("rollout_opened", "rename", 1),
        ("notice", "rename", 2),
        ("rollout_opened", "rename", 1),
        ("notice", "rename", 2),
    ]
    assert len({line["run"] for line in lines(path)}) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_everything_but_batches_is_written_and_what_comes_often_only_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tell(str(path), *ALL, BATCH, HALF, PACE, HALF)
    names = [line["event"] for line in lines(path)]
    assert "batch_done" not in names
    assert len(names) == len(ALL) - 1
    end = Progress(step="fill", fraction=1.0, rows=2000, rows_per_second=0.0, eta_seconds=0.0)
    tell(str(path), HALF, HALF, end)
    assert [line["fraction"] for line in lines(path)[len(names) :]] == [0.5, 1.0]


def test_a_file_descriptor_gets_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("ab") as file:
        tell(f"fd:{file.fileno()}", Notice(text="one"))
    assert lines(path)[0]["text"] == "one"


@pytest.mark.parametrize(
    ("target", "problem"),
    [("/nowhere/at/all", "No such file"), ("/", "Is a directory"), ("fd:x", "not a file descriptor")],
)
def test_what_cannot_be_opened_is_refused_before_anything_is_done(target: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        open_stream(target, Said())


def test_a_pipe_that_nobody_reads_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="nobody reads from this pipe"):
        open_stream(str(path), Said())


def test_a_pipe_that_breaks_is_said_once_and_stops_nothing() -> None:
    read, write = os.pipe()
    said = Said()
    telemetry = Telemetry((open_stream(f"fd:{write}", said),), said)
    telemetry(Notice(text="one"))
    assert os.read(read, 1000)
    os.close(read)
    for _ in range(20):
        telemetry(Notice(text="more"))
    telemetry.close()
    os.close(write)
    assert len(said) == 2
    assert "Broken pipe; the rollout goes on" in said[0]
    assert "20 events were not written" in said[1]


def test_a_reader_that_sleeps_holds_nobody_up() -> None:
    read, write = os.pipe()
    said = Said()
    telemetry = Telemetry((open_stream(f"fd:{write}", said),), said)
    began = time.monotonic()
    for _ in range(12_000):  # more than the pipe and the queue hold
        telemetry(Notice(text="x" * 50))
    assert time.monotonic() - began < 5
    threading.Thread(target=telemetry.close).start()
    with contextlib.suppress(OSError):
        time.sleep(0.2)
        seen = b""
        while b'"events_lost"' not in seen and (piece := os.read(read, 1_000_000)):
            seen = seen[-200:] + piece
    assert b'"events_lost","count":' in seen
    os.close(read)
    os.close(write)


def test_a_full_disk_costs_lines_and_the_stream_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full in the middle of a line, and has room again later."""
    path = tmp_path / "events.jsonl"
    said = Said()
    real, calls = os.write, [0]

    def write(fd: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{fd}").readlink() != path:  # another thread's
            return real(fd, data)
        calls[0] += 1
        match calls[0]:
            case 2:
                return real(fd, data[:10])
            case 3 | 4:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case _:
                return real(fd, data)

    monkeypatch.setattr("migsafe.run.telemetry.stream.os.write", write)
    tell(str(path), *(Notice(text=str(number)) for number in range(4)), said=said)
    first, torn, lost, last = path.read_text().splitlines()
    assert json.loads(first)["text"] == "0"
    assert len(torn) == 10
    assert (json.loads(lost)["event"], json.loads(lost)["count"]) == ("events_lost", 2)
    assert json.loads(last)["text"] == "3"
    assert len(said) == 2
    assert "No space left on device; the rollout goes on" in said[0]
    assert "2 events were not written" in said[1]


def test_a_file_that_may_not_grow_any_more_stops_nothing(tmp_path: Path) -> None:
    """A real limit of the system: no file of this process may be longer than 4 KB."""
    path = tmp_path / "events.jsonl"
    said = Said()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        tell(str(path), *(Notice(text="x" * 100) for _ in range(50)), said=said)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)
    assert path.stat().st_size == 4096
    assert "File too large; the rollout goes on" in said[0]


def test_a_sender_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    class Broken:
        def take(self, event: Event, document: object) -> None:
            del event, document
            raise ZeroDivisionError

        def close(self) -> None:
            raise AssertionError

    path, said = tmp_path / "events.jsonl", Said()
    telemetry = Telemetry((Broken(), open_stream(str(path), said)), said)
    for number in range(3):
        telemetry(Notice(text=str(number)))
    telemetry.close()
    assert [line["text"] for line in lines(path)] == ["0", "1", "2"]
    assert len(said) == 1
    assert "Broken failed and is left out" in said[0]


def test_many_threads_write_whole_lines_in_their_order(tmp_path: Path) -> None:
    path, said = tmp_path / "events.jsonl", Said()
    telemetry = Telemetry((open_stream(str(path), said),), said)

    def write() -> None:
        for _ in range(200):
            telemetry(Notice(text="x" * 500))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    telemetry.close()
    assert [line["sequence"] for line in lines(path)] == list(range(1, 801))
