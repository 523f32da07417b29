"""The reports as users see them: fixtures/golden/lint/<case>.<format> for each of fixtures/migrations."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from migsafe.catalog.model import Catalog
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.reports import render
from migsafe.lint.rules import shipped_rules
from migsafe.sources.gather import Request, gather

ROOT = Path(__file__).parents[2] / "fixtures"
MIGRATIONS, GOLDEN = ROOT / "migrations", ROOT / "golden" / "lint"
CASES = sorted(path.name for path in MIGRATIONS.iterdir())
SUFFIXES = {"text": "txt"}
FORMATS = ("json", "text")  # the others are shown by their own sample, which no rule can change


def golden_path(case: str, format_name: str) -> Path:
    return GOLDEN / f"{Path(case).stem}.{SUFFIXES.get(format_name, format_name)}"


def report(case: str, format_name: str) -> str:
    found = gather(Request(paths=(str(MIGRATIONS / case),)), stdin=io.BytesIO())
    sources = [replace(source, path=Path(source.path).relative_to(MIGRATIONS).as_posix()) for source in found]
    linted = Linter(shipped_rules()).lint(sources, LintOptions(catalog=Catalog()))
    return render(linted, format_name)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_the_report_is_as_it_was(case: str, format_name: str, pytestconfig: pytest.Config) -> None:
    path = golden_path(case, format_name)
    shown = report(case, format_name)
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert path.is_file(), f"no {path.name}: run `make golden` and read what it wrote"
    assert shown == path.read_text(encoding="utf-8")


def test_no_golden_file_is_an_orphan() -> None:
    wanted = {golden_path(case, format_name) for case in CASES for format_name in FORMATS}
    assert set(GOLDEN.iterdir()) - wanted == set()
