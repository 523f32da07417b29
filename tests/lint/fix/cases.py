"""Scripts with their repaired form, for the tests of this folder: fixtures/fixes/<fixer>/<name>.sql.

Such a file has parts, each behind a line `---- name`: `setup` (the schema before, with rows), `script`,
`fixed`, and on request `options` (`wrapped`, `server_version=N`, `rule=NAME` for one
that is off by default), `tool`, `reason` (why something is left),
`left` (the rules that are still found).
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config, RuleLayer
from migsafe.config.words import Level
from migsafe.lint.engine import LintOptions
from migsafe.lint.fix.engine import Fixed
from migsafe.lint.fix.run import fix_sources
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sources.scripts import run_as
from migsafe.sources.settings import Direction, SourceSettings

ROOT = Path(__file__).parents[3] / "fixtures" / "fixes"
_PART = re.compile(r"^---- (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file; `options` are those of LintOptions."""

    name: str
    setup: str
    script: str
    fixed: str
    left: tuple[str, ...] = ()
    reason: str = ""
    tool: str = "sql"
    options: dict[str, object] = field(default_factory=dict)


def read_case(path: Path) -> Case:
    parts = _PART.split(path.read_text(encoding="utf-8"))[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert set(found) <= {"setup", "script", "fixed", "options", "tool", "reason", "left"}, path
    options: dict[str, object] = {}
    for word in found.get("options", "").split():
        name, _, value = word.partition("=")
        if name == "rule":
            options["config"] = Config(rules=RuleLayer(levels={value: Level.ON}, where="the fixture"))
        else:
            options[name] = int(value) * 10_000 if value else True
    return Case(
        name=path.relative_to(ROOT).as_posix().removesuffix(".sql"),
        setup=found["setup"],
        script=found["script"],
        fixed=found.get("fixed", found["script"]),
        left=tuple(found.get("left", "").split()),
        reason=found.get("reason", "").strip(),
        tool=found.get("tool", "sql").strip(),
        options=options,
    )


CASES = tuple(read_case(path) for path in sorted(ROOT.glob("*/*.sql")))


@cache
def catalog_of(setup: str) -> Catalog:
    return load_schema(setup)


def as_run(case: Case, text: str) -> Source:
    """A text as the case's tool runs it."""
    found = run_as(Source(path="V1__m.sql", text=text, tool=case.tool), SourceSettings(), Direction.UP)
    assert found is not None
    return found


def repair(case: Case, text: str | None = None) -> Fixed:
    """The case's script, or another text in its place, repaired."""
    options = LintOptions(catalog=catalog_of(case.setup), **case.options)  # type: ignore[arg-type]  # read from text
    source = as_run(case, case.script if text is None else text)
    (done,) = fix_sources([source], rules=shipped_rules(), options=options)
    return done
