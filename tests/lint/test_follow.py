"""A script that is only context leaves the same schema as one that is judged."""

from pathlib import Path

import pytest

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.lint.follow import follow
from migsafe.lint.walk import walk
from migsafe.sources.model import Source
from migsafe.sql.script import read_script

EFFECTS = Path(__file__).parents[2] / "fixtures" / "effects"
CORPUS = Path(__file__).parents[1] / "sql" / "corpus"
SCHEMA = load_schema((EFFECTS / "schema.sql").read_text(encoding="utf-8"))
SCRIPTS = sorted([*EFFECTS.glob("*.sql"), *CORPUS.glob("*.sql")])


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.name}")
@pytest.mark.parametrize("catalog", [Catalog(), SCHEMA], ids=["nothing known", "schema known"])
def test_what_is_followed_is_what_is_observed(path: Path, catalog: Catalog, *, wrapped: bool) -> None:
    source = Source(path=path.name, text=path.read_text(encoding="utf-8"))
    script = read_script(source.text)
    observed = walk(source, catalog=catalog, server_version=180000, settings={}, wrapped=wrapped)
    followed = follow(source, script, catalog, wrapped=wrapped)
    assert followed == observed.catalog
    assert len(script.statements) > 0
