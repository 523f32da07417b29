"""Explanations for people: one block for each statement."""

from collections.abc import Iterable, Iterator

from migsafe.effects.model import Blocks, Effects, LockMode
from migsafe.effects.script import StatementEffects
from migsafe.explain.run import ExplainedFile, Explanation
from migsafe.lint.frame import printable
from migsafe.sql.names import Name
from migsafe.sql.operations import Begin, Commit, ResetSetting, Rollback, Savepoint, SetSetting

WIDTH = 100
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
_SHOWN_FROM = LockMode.SHARE_UPDATE_EXCLUSIVE
_SILENT = Begin | Commit | ResetSetting | Rollback | Savepoint | SetSetting


def render(explanation: Explanation, *, color: bool = False) -> str:
    """The explanation as text."""
    lines = [line for file in explanation.files for line in _file(file, color=color)]
    count = sum(len(file.statements) for file in explanation.files)
    unread = f", {explanation.unread} not understood" if explanation.unread else ""
    files = len(explanation.files)
    summary = f"{count} statement{_s(count)} in {files} file{_s(files)}{unread}."
    return "\n".join([*lines, summary]) + "\n"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _file(file: ExplainedFile, *, color: bool) -> Iterator[str]:
    if file.problem:
        yield f"{printable(file.path)}: {printable(file.problem)}"
        yield ""
    for problem in file.problems:
        yield f"{printable(problem.path)}:{problem.line}: {printable(problem.message)}"
        yield ""
    places = file.places
    for each in file.statements:
        place = f"{printable(file.path)}:{places.place(each.statement.start, each.statement.end).start.line}"
        yield f"{_paint(place, _BOLD, color)}: {_one_line(each.statement.text)}"
        for title, text in _facts(each):
            shown = _paint(text, _RED, color) if title in {"fails", "breaks"} else text
            yield f"  {_paint(f'{title:<9}', _DIM, color)} {shown}"
        yield ""


def _facts(each: StatementEffects) -> Iterator[tuple[str, str]]:
    unread = each.statement.unread
    if unread is not None:
        yield "unread", printable(unread.reason)
        return
    if all(isinstance(operation, _SILENT) for operation in each.statement.operations):
        return
    yield "does", _does(each)
    yield from _costs(each.effects)
    if each.transaction is not None:
        held = [f"{lock.mode.label} on {lock.relation}" for lock in each.held if lock.mode >= _SHOWN_FROM]
        yield "holds", f"{', '.join(held) or 'no strong lock'} until its transaction ends"
    if not (each.compatibility.old and each.compatibility.new):
        who = [name for name in ("old", "new") if not getattr(each.compatibility, name)]
        reason = f": {each.compatibility.reason}" if each.compatibility.reason else ""
        yield "breaks", printable(f"the {' and the '.join(who)} version{reason}")
    if each.effects.blocks is not Blocks.NONE:
        yield (
            "timeouts",
            f"lock_timeout {_time(each.lock_timeout)}, statement_timeout {_time(each.statement_timeout)}",
        )


def _does(each: StatementEffects) -> str:
    kinds = ", ".join(dict.fromkeys(operation.kind for operation in each.statement.operations))
    return f"{kinds} ({each.phase})"


def _costs(effects: Effects) -> Iterator[tuple[str, str]]:
    if effects.fails:
        yield "fails", printable(effects.fails)
    locks = [f"{lock.mode.label} on {lock.relation}" for lock in effects.locks if lock.mode >= _SHOWN_FROM]
    yield "locks", printable(", ".join(locks)) or "none that would stop anybody"
    if effects.blocks is not Blocks.NONE:
        yield "blocks", f"{effects.blocks}, {_duration(effects)}"
    if effects.waits_for_others:
        yield "waits", "until transactions that were open before it have ended"
    if effects.rewrites:
        yield "rewrites", _names(effects.rewrites)
    if effects.scans:
        yield "reads", f"{_names(effects.scans)} in full"
    if effects.builds_index:
        yield "builds", "an index"
    if effects.needs_no_transaction:
        yield "needs", "no transaction around it"
    if not effects.certain:
        yield "depends", f"on {printable('; '.join(effects.depends_on))} (this is the worse case)"


def _duration(effects: Effects) -> str:
    return "for an instant" if effects.lasts == "instant" else effects.lasts.value


def _names(names: Iterable[Name]) -> str:
    return printable(", ".join(str(name) for name in names))


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "not set"
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"


def _one_line(sql: str) -> str:
    text = printable(" ".join(sql.split()))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _paint(text: str, code: str, color: bool) -> str:  # noqa: FBT001 -- a fact handed on, not a switch
    return f"{code}{text}{_PLAIN}" if color else text
