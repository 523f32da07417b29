"""One open document, judged where it stands in its history."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from migsafe.catalog.model import Catalog
from migsafe.catalog.session import new_session
from migsafe.effects.script import StatementEffects, script_effects
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintedFile
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import natural_key, read_file
from migsafe.sql.script import read_script

_REMEMBERED = 8  # catalogs: one for each document that a person switches between

_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is wrong in a document, and what each of its statements does."""

    file: LintedFile
    statements: tuple[StatementEffects, ...]


class Judge:
    """Judges documents as they are typed; the schema before each of them is read once and remembered."""

    def __init__(self) -> None:
        self._linter = Linter(shipped_rules())
        self._catalogs: OrderedDict[_Stamp, Catalog] = OrderedDict()

    def judge(self, path: Path, text: str) -> Judged:
        """The findings in this text, which may differ from what is saved at `path`."""
        source = Source(path=path.as_posix(), text=text)
        catalog = self._before(path)
        report = self._linter.lint([source], LintOptions(catalog=catalog))
        effects = script_effects(read_script(text), catalog, source=source.path)
        return Judged(file=report.files[0], statements=effects.statements)

    def _before(self, path: Path) -> Catalog:
        """The schema that the earlier files of its folder leave."""
        files = _earlier(path)
        stamp = tuple((str(each), each.stat().st_mtime_ns, each.stat().st_size) for each in files)
        if stamp in self._catalogs:
            self._catalogs.move_to_end(stamp)
            return self._catalogs[stamp]
        catalog = Catalog()
        for each in files:
            source = read_file(each)
            script = read_script("" if source.problem else source.text)
            catalog = new_session(script_effects(script, catalog, source=source.path).catalog)
        self._catalogs[stamp] = catalog
        if len(self._catalogs) > _REMEMBERED:
            self._catalogs.popitem(last=False)
        return catalog


def _earlier(path: Path) -> list[Path]:
    if not path.parent.is_dir():
        return []
    siblings = [each for each in path.parent.glob("*.sql") if not each.name.endswith(".down.sql")]
    ordered = sorted((each for each in {*siblings, path} if each.exists()), key=natural_key)
    names = [each.name for each in ordered]
    return ordered[: names.index(path.name)] if path.name in names else ordered
