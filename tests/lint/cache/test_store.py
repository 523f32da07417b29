"""The store of the cache: it forgets, but it never fails and never lies."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from migsafe.lint.cache.store import NAME, Store

KEY, OTHER = b"k" * 16, b"o" * 16


def put(folder: Path, entries: dict[bytes, bytes], *, limit: int = 1 << 20) -> None:
    with closing(Store(folder, limit=limit)) as store:
        store.put(entries)


def get(folder: Path, *keys: bytes) -> dict[bytes, bytes]:
    with closing(Store(folder)) as store:
        return store.get(keys)


def test_what_was_put_is_found_by_the_next_process(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data", OTHER: b""})
    assert get(tmp_path, OTHER, KEY, b"n" * 16) == {KEY: b"data", OTHER: b""}


def test_more_keys_than_a_statement_takes_are_found(tmp_path: Path) -> None:
    entries = {b"%016d" % number: b"%d" % number for number in range(2_345)}
    put(tmp_path, entries)
    assert get(tmp_path, *entries) == entries


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        put(tmp_path, {KEY: b"data"})
    finally:
        os.umask(before)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    put(tmp_path, {KEY: b"data"})
    assert get(tmp_path, KEY) == {KEY: b"data"}


def test_damage_in_the_middle_is_a_miss_and_heals(tmp_path: Path) -> None:
    entries = {b"%016d" % number: os.urandom(3_000) for number in range(200)}
    put(tmp_path, entries)
    file = tmp_path / NAME
    data = bytearray(file.read_bytes())
    for at in range(4_096, len(data), 977):
        data[at] ^= 0xFF
    file.write_bytes(data)
    for _ in range(3):
        found = get(tmp_path, *entries)
        assert all(entries[key] == value for key, value in found.items())
        put(tmp_path, {KEY: b"data"})
    assert get(tmp_path, KEY) == {KEY: b"data"}


def test_an_entry_that_somebody_changed_is_a_miss(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data", OTHER: b"fine"})
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        connection.execute("UPDATE entry SET data = replace(data, 'ta', 'to') WHERE key = ?", (KEY,))
    assert get(tmp_path, KEY, OTHER) == {OTHER: b"fine"}


def test_an_entry_under_another_key_is_a_miss(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data"})
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        connection.execute("UPDATE entry SET key = ?", (OTHER,))
    assert get(tmp_path, OTHER) == {}


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 999", "DROP TABLE entry"])
def test_a_file_of_another_form_is_made_anew(tmp_path: Path, statement: str) -> None:
    put(tmp_path, {KEY: b"data"})
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        connection.execute(statement)
    assert get(tmp_path, KEY) == {}
    put(tmp_path, {KEY: b"new"})
    assert get(tmp_path, KEY) == {KEY: b"new"}


def test_the_file_stays_within_its_limit_and_what_is_used_stays(tmp_path: Path) -> None:
    limit = 400_000
    put(tmp_path, {KEY: b"in daily use"}, limit=limit)
    for number in range(60):
        with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
            connection.execute("UPDATE entry SET day = day - 1")  # a day goes by
        assert get(tmp_path, KEY) == {KEY: b"in daily use"}
        put(tmp_path, {b"%016d" % (number * 10 + one): os.urandom(4_000) for one in range(10)}, limit=limit)
        assert (tmp_path / NAME).stat().st_size <= limit * 1.1
    assert b"%016d" % 599 in get(tmp_path, b"%016d" % 599)
    assert get(tmp_path, b"%016d" % 0) == {}


def test_more_than_there_is_room_for_is_remembered_in_part(tmp_path: Path) -> None:
    entries = {b"%016d" % number: os.urandom(4_000) for number in range(500)}
    put(tmp_path, entries, limit=400_000)
    assert (tmp_path / NAME).stat().st_size <= 400_000
    assert 0 < len(get(tmp_path, *entries)) < 100


def test_a_locked_file_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data"})
    with closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert get(tmp_path, KEY) == {}
        put(tmp_path, {OTHER: b"lost"})
        assert time.monotonic() - started < 5
    assert get(tmp_path, KEY, OTHER) == {KEY: b"data"}


def test_a_full_disk_loses_entries_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data"})
    with closing(Store(tmp_path)) as store:
        assert store._connection is not None
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        store.put({OTHER: os.urandom(100_000)})
    assert get(tmp_path, KEY, OTHER) == {KEY: b"data"}


def test_without_a_folder_there_is_no_store_and_no_error(tmp_path: Path) -> None:
    put(tmp_path / "missing", {KEY: b"data"})
    assert get(tmp_path / "missing", KEY) == {}
    (tmp_path / NAME).mkdir()
    put(tmp_path, {KEY: b"data"})
    assert get(tmp_path, KEY) == {}


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / NAME).symlink_to(elsewhere)
    put(tmp_path, {KEY: b"data"})
    assert elsewhere.read_text() == "mine"


WRITER = """
import os, sys
from pathlib import Path
from migsafe.lint.cache.store import Store
number = 0
while number < int(sys.argv[3]):
    store = Store(Path(sys.argv[1]), limit=2_000_000)
    keys = [(sys.argv[2] * 8).encode() + b"%08d" % (number * 20 + one) for one in range(20)]
    store.put({key: key * 400 for key in keys})
    found = store.get(keys)
    assert all(value == key * 400 for key, value in found.items())
    store.close()
    number += 1
    if number == 2:
        print("at work", flush=True)
"""


def writer(folder: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 25) for name in "abc"]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    put(tmp_path, {KEY: b"data"})
    assert get(tmp_path, KEY) == {KEY: b"data"}


def test_what_a_killed_process_leaves_is_whole(tmp_path: Path) -> None:
    put(tmp_path, {KEY: b"data"})
    for number in range(6):
        with writer(tmp_path, "abcdef"[number], 1_000_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            time.sleep(0.02 * number)
            process.send_signal(signal.SIGKILL)
        with closing(sqlite3.connect(tmp_path / NAME)) as connection:
            keys = [row[0] for row in connection.execute("SELECT key FROM entry")]
        found = get(tmp_path, *keys)
        assert b"abcdef"[number : number + 1] * 8 in {key[:8] for key in found}
        found.pop(KEY, None)
        assert all(value == key * 400 for key, value in found.items())
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
