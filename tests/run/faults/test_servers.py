"""The server crashes, recovers, has no space left, or takes no writes any more."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import ConnectionFailed
from migsafe.postgres.account import temporary_root
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server, scratch_server
from tests.run.faults.trial import Trial, batch, make_trial

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    with scratch_server(binaries=embedded_binaries(), settings={"fsync": "off"}) as running:
        yield running


@contextmanager
def trial_on(server: Server) -> Iterator[Trial]:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS faults WITH (FORCE)")
        admin.execute("CREATE DATABASE faults")
    with psycopg.connect(server.dsn("faults"), autocommit=True) as other:
        yield make_trial(other, server.dsn("faults"))


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own with so much room."""
    place = temporary_root() / f"migsafe-small-disk-{os.getpid()}"
    place.mkdir()
    try:
        size = f"size={megabytes}m,mode=755"
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"may not mount a file system here: {made.stderr.strip()}")
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
        place.rmdir()


def fill(disk: Path) -> Path:
    """Take all the room that there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def reconnected(trial: Trial, dsn: str) -> Trial:
    """The same rollout, after the sessions of a server were lost."""
    trial.other = psycopg.connect(dsn, autocommit=True)
    return trial


def test_a_disk_without_room_for_the_table_stops_the_backfill_until_there_is_some(own_server: Server) -> None:
    with small_disk(8) as disk, trial_on(own_server) as trial:
        own_server.account.own(disk)
        trial.other.execute(f"CREATE TABLESPACE small LOCATION '{disk}'".encode())
        trial.other.execute("ALTER TABLE orders SET TABLESPACE small")
        ballast: list[Path] = []
        error = trial.fails(when=batch(2), do=lambda: ballast.append(fill(disk)))
        assert "No space left on device" in error.message
        trial.require_told("No space left on device")
        ballast[0].unlink()
        trial.run()
        trial.require_verified()
        trial.require_contracted()
        trial.other.execute("ALTER TABLE orders SET TABLESPACE pg_default")
        trial.other.execute("DROP TABLESPACE small")


@pytest.mark.proof
def test_a_disk_without_room_for_wal_crashes_the_server_and_the_run_goes_on_afterwards() -> None:
    with (
        small_disk(300) as disk,
        scratch_server(binaries=embedded_binaries(), settings={"fsync": "off"}, parent=disk) as server,
        trial_on(server) as trial,
    ):
        ballast: list[Path] = []

        def crash() -> None:
            ballast.append(fill(disk))
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                for _ in range(20):
                    admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 10000000))")

        def suffer() -> None:
            with pytest.raises(psycopg.Error):
                crash()

        error = trial.fails(when=batch(3), do=suffer, reconnect_seconds=2.0)
        assert "was lost" in error.message
        assert "run the same command again" in error.advice
        ballast[0].unlink()
        try:
            server.start()
        except Exception:  # noqa: BLE001 - it may have come up by itself
            time.sleep(2)
        again = reconnected(trial, server.dsn("faults"))
        again.expire()
        again.run()
        again.require_verified()
        again.other.close()


def test_a_server_that_takes_no_writes_any_more_is_left_until_it_does(own_server: Server) -> None:
    with trial_on(own_server) as trial, psycopg.connect(own_server.dsn(), autocommit=True) as admin:

        def switch(value: str) -> None:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            admin.execute("SELECT pg_reload_conf()")
            time.sleep(0.3)

        def for_a_moment() -> None:
            switch("on")
            threading.Timer(1.0, switch, ["off"]).start()

        try:
            trial.run(when=batch(2), do=for_a_moment)
            trial.require_verified()
        finally:
            switch("off")


@pytest.mark.proof
def test_a_server_that_stays_read_only_ends_the_run_with_what_it_says(own_server: Server) -> None:
    with trial_on(own_server) as trial:

        def switch(value: str) -> None:
            trial.other.execute("SET default_transaction_read_only = off")
            trial.other.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            trial.other.execute("SELECT pg_reload_conf()")
            time.sleep(0.3)

        try:
            error = trial.fails(when=batch(2), do=lambda: switch("on"), reconnect_seconds=1.0)
        finally:
            switch("off")
        assert "default_transaction_read_only is on" in error.message
        trial.expire()
        trial.run()
        trial.require_verified()


@pytest.mark.proof
def test_a_server_that_recovers_is_waited_for_and_said(own_server: Server) -> None:
    """57P03: it is there, and lets nobody in yet."""
    with trial_on(own_server) as trial:
        seen: list[Exception] = []

        def crash() -> None:
            own_server.stop("immediate")
            with (own_server.data / "postgresql.auto.conf").open("a") as file:
                file.write("restore_command = 'sleep 2; false'\n")
            signal = own_server.data / "recovery.signal"
            signal.touch()
            own_server.account.own(signal)
            threading.Thread(target=own_server.start).start()

        def look() -> None:
            crash()
            time.sleep(1.0)
            second = Trial(dsn=trial.dsn, plan=trial.plan, other=trial.other)
            with pytest.raises(ConnectionFailed) as raised:
                second.run()
            seen.append(raised.value)

        trial.run(when=batch(3), do=look, reconnect_seconds=30.0)
        assert "Wait until the server accepts connections" in str(seen[0])
        again = reconnected(trial, own_server.dsn("faults"))
        again.require_verified()
        again.other.close()
