"""Explanations as users see them: fixtures/golden/explain/<case>.<format> for each of fixtures/migrations."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from migsafe.explain import as_json, as_text
from migsafe.explain.run import explain
from migsafe.lint.engine import LintOptions
from migsafe.sources.gather import Request, gather

ROOT = Path(__file__).parents[2] / "fixtures"
MIGRATIONS, GOLDEN = ROOT / "migrations", ROOT / "golden" / "explain"
CASES = sorted(path.name for path in MIGRATIONS.iterdir())
FORMATS = {"txt": as_text.render, "json": as_json.render}
STATEMENT_FIELDS = {"line", "sql", "operations", "effects", "compatibility", "phase"}
EFFECT_FIELDS = {"locks", "rewrites", "scans", "blocks", "certain", "depends_on"}


def shown(case: str, suffix: str) -> str:
    found = gather(Request(paths=(str(MIGRATIONS / case),)), stdin=io.BytesIO())
    sources = [replace(source, path=Path(source.path).relative_to(MIGRATIONS).as_posix()) for source in found]
    return FORMATS[suffix](explain(sources, LintOptions()))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_the_explanation_is_as_it_was(case: str, suffix: str, pytestconfig: pytest.Config) -> None:
    path = GOLDEN / f"{Path(case).stem}.{suffix}"
    text = shown(case, suffix)
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no {path.name}: run `make golden` and read what it wrote"
    assert text == path.read_text(encoding="utf-8")


def test_no_golden_file_is_an_orphan() -> None:
    wanted = {GOLDEN / f"{Path(case).stem}.{suffix}" for case in CASES for suffix in FORMATS}
    assert set(GOLDEN.iterdir()) - wanted == set()


@pytest.mark.parametrize("case", CASES)
def test_the_json_has_every_promised_field(case: str) -> None:
    document = json.loads(shown(case, "json"))
    assert document["format_version"] == 1
    for file in document["files"]:
        for statement in file["statements"]:
            assert statement.keys() >= STATEMENT_FIELDS
            assert statement["effects"].keys() >= EFFECT_FIELDS
            assert statement["compatibility"].keys() == {"old", "new"}
            assert statement["phase"] in {"expand", "backfill", "contract", "both", "neutral"}
