"""One open document, judged where it stands in its history, as the configuration says."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migsafe.catalog.history import replay
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config
from migsafe.config.read import load_config
from migsafe.effects.script import StatementEffects, script_effects
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.fix.run import with_fixes
from migsafe.lint.model import Finding, LintedFile, LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.lint.run import read_schema
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import SourceSettings
from migsafe.sources.sql_folder import STDIN
from migsafe.sql.script import read_script

_REMEMBERED = 8  # catalogs: one for each document that a person switches between


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is wrong in a document, what each of its statements does, and what both were judged with."""

    file: LintedFile
    statements: tuple[StatementEffects, ...]
    source: Source
    options: LintOptions


class Judge:
    """Judges documents as they are typed; the schema before each of them is read once and remembered."""

    def __init__(self) -> None:
        self._linter = Linter(shipped_rules())
        self._catalogs: OrderedDict[str, Catalog] = OrderedDict()

    def judge(self, path: Path, text: str) -> Judged:
        """The findings in this text, which may differ from what is saved at `path`.

        Raises:
            MigsafeError: The configuration or the history cannot be read.
        """
        config = load_config(current=path.parent)
        *earlier, source = _standing(path, text, config)
        source = replace(source, path=path.as_posix(), judged=True)
        options = LintOptions(catalog=self._before(earlier, config), config=config)
        report = self._linter.lint([source], options)
        if not report.files:
            return Judged(file=_unjudged(source), statements=(), source=source, options=options)
        context = self._linter.context(source, options)
        effects = script_effects(
            read_script("" if source.problem else source.text),
            options.catalog,
            server_version=context.server_version,
            wrapped=context.wrapped,
            source=source.path,
        )
        return Judged(file=_only(report), statements=effects.statements, source=source, options=options)

    def fixes(self, judged: Judged) -> tuple[Finding, ...]:
        """The findings with their fixes. Each is linted again: only for who asks, not for every key."""
        report = LintReport(files=(judged.file,))
        fixed = with_fixes(report, [judged.source], rules=self._linter.rules, options=judged.options)
        return _only(fixed).findings

    def _before(self, earlier: Sequence[Source], config: Config) -> Catalog:
        """The schema that the configured schema file and the earlier scripts leave."""
        schema = config.resolve(config.schema)
        stamp = hashlib.sha256(Path(schema).read_bytes() if schema and Path(schema).exists() else b"")
        for each in earlier:
            stamp.update(f"{each.path}\0{len(each.text)}\0{each.text}".encode(errors="replace"))
        key = stamp.hexdigest()
        if key not in self._catalogs:
            start = read_schema(schema) if schema else Catalog()
            scripts = [(each.path, read_script(each.text)) for each in earlier if not each.problem]
            self._catalogs[key] = replay(scripts, start)
        self._catalogs.move_to_end(key)
        if len(self._catalogs) > _REMEMBERED:
            self._catalogs.popitem(last=False)
        return self._catalogs[key]


def _standing(path: Path, text: str, config: Config) -> tuple[Source, ...]:
    """What runs before the document, and the document: in its configured source, or in its folder."""
    folder = SourceSettings(path=path.parent.as_posix())
    has_folder = any(path.parent.glob("*.sql"))
    request = Request(
        paths=(STDIN,),
        sources=config.sources or ((folder,) if has_folder else ()),
        stdin_filename=path.as_posix(),
        root=Path(config.root) if config.sources else Path(),
    )
    return gather(request, stdin=io.BytesIO(text.encode(errors="replace")))


def _only(report: LintReport) -> LintedFile:
    (file,) = report.files
    return file


def _unjudged(source: Source) -> LintedFile:
    """A document that the configuration leaves out."""
    return LintedFile(path=source.path, text=source.text, statements=0, unread=0, findings=())
