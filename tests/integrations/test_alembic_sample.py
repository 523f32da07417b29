"""fixtures/alembic-sample: its README is run as it stands there, and its upgrade is killed."""

import shutil
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest

from tests.house.pages import run_page, shell_environment

SAMPLE = Path(__file__).parents[2] / "fixtures" / "alembic-sample"


@pytest.fixture
def environment(tmp_path: Path, database: str) -> dict[str, str]:
    url = "postgresql://?" + urlencode(psycopg.conninfo.conninfo_to_dict(database))
    return {**shell_environment(tmp_path), "DATABASE_URL": url}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    shutil.copytree(SAMPLE, folder)
    return folder


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_the_readme_leads_from_a_naive_revision_to_a_finished_rollout(
    project: Path, environment: dict[str, str], database: str, pytestconfig: pytest.Config
) -> None:
    update = pytestconfig.getoption("--update-golden")
    assert run_page(SAMPLE / "README.md", project, environment, update=update) > 15
    with psycopg.connect(database) as conn:
        rows = conn.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name IN ('orders', 'customers') ORDER BY 1, 2"
        ).fetchall()
        assert rows == [
            ("amount", "bigint", "NO"),
            ("customer_id", "bigint", "NO"),
            ("email", "text", "NO"),
            ("id", "bigint", "NO"),
            ("id", "bigint", "NO"),
            ("name", "text", "NO"),
        ]
        assert conn.execute("SELECT count(*), sum(amount) FROM orders").fetchone() == (20000, 2000100000)
        assert conn.execute("SELECT stage, state FROM migsafe.rollout").fetchone() == ("dropped", "done")
