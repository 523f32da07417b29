"""PL/pgSQL blocks: which SQL they run, where it stands, and whether it surely runs.

Only what runs SQL is looked at. What cannot be known from the text becomes opaque code.
https://www.postgresql.org/docs/current/plpgsql-statements.html
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from migsafe.sql.cursor import Cursor, Unreadable, pair_brackets
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.operations import (
    AddColumn,
    CreateIndex,
    CreateTable,
    DropIndex,
    OpaqueCode,
    Operation,
    OtherStatement,
    Query,
    ResetSetting,
    SetSetting,
    TableOperation,
)
from migsafe.sql.read.data import query_of, reads_of

ReadPart = Callable[[Cursor], tuple[Operation, ...]]
ReadText = Callable[[str], tuple[Operation, ...]]

_QUERIES = frozenset({"select", "values", "with", "table", "("})
# Statements of PL/pgSQL that run no SQL beside the expressions in them.
_NO_SQL = frozenset(
    {"raise", "return", "assert", "get", "exit", "continue", "fetch", "move", "close", "null"}
)
_SETTINGS = (SetSetting, ResetSetting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One operation of a block, its offsets in the block's text, and whether it may also not run."""

    operation: Operation
    start: int
    end: int
    conditional: bool = False

    @property
    def replayed(self) -> Operation:
        """The operation for who follows the schema: where it may not run, its work may also be done already.

        Blocks ask whether something exists before they make or drop it, as IF [NOT] EXISTS does.
        """
        if not self.conditional:
            return self.operation
        match self.operation:
            case CreateTable() | AddColumn() | CreateIndex() as made:
                return replace(made, if_not_exists=True)
            case DropIndex() | TableOperation() as changed:
                return replace(changed, if_exists=True)
            case other:
                return other


def read_block(text: str, read: ReadPart, read_text: ReadText) -> tuple[Part, ...]:
    """The operations of a PL/pgSQL block; never raises.

    `read` reads one statement of SQL in it, `read_text` a text that is run as SQL.
    """
    try:
        tokens = lex(text)
        pair_brackets(tokens)
        reader = _Reader(Cursor(text, tokens), read, read_text)
        reader.block()
    except (Unreadable, Unlexable) as error:
        reason = f"a part of the block was not understood: {error}"
        return (Part(operation=OpaqueCode(tag="DO", reason=reason), start=0, end=len(text)),)
    return tuple(reader.parts)


class _Reader:
    """Goes over one block from left to right; `nesting` is what is open, innermost last."""

    def __init__(self, cursor: Cursor, read: ReadPart, read_text: ReadText) -> None:
        self.cursor = cursor
        self.read = read
        self.read_text = read_text
        self.parts: list[Part] = []
        self.nesting: list[tuple[str, int]] = []

    def block(self) -> None:
        """All of the text must be one block."""
        cursor = self.cursor
        self.declarations()
        while self.nesting:
            if cursor.done:
                raise cursor.unexpected("END")
            self.statement()
        cursor.take(";")
        cursor.expect_end()

    def declarations(self) -> None:
        """Labels and DECLARE, up to and with BEGIN."""
        cursor = self.cursor
        self.label()
        if cursor.take("declare"):
            while not cursor.done and cursor.word() != "begin":
                declared = self.to(";")
                declared.before(":=", "=", "default")
                if not declared.done:
                    declared.at += 1
                    self.expression(declared)
        cursor.expect("begin")
        self.nesting.append(("begin", len(self.parts)))

    def label(self) -> None:
        if self.cursor.take("<<"):
            self.cursor.identifier("a label")
            self.cursor.expect(">>")

    def statement(self) -> None:  # noqa: C901, PLR0912 -- one flat table: first word, what follows it
        """One statement, or one word that opens or closes a part."""
        cursor = self.cursor
        self.label()
        match cursor.word():
            case "declare" | "begin":
                self.declarations()
            case "end":
                self.end()
            case "exception" if self.nesting[-1][0] == "begin":
                cursor.next()
                self.handlers()
            case "if":
                cursor.next()
                self.open("if", "then")
            case "elsif" | "elseif":
                cursor.next()
                self.expression(self.to("then"))
            case "else":
                cursor.next()
            case "when" if self.nesting[-1][0] in {"case", "handler"}:
                cursor.next()
                self.expression(self.to("then"))
            case "case":
                cursor.next()
                self.nesting.append(("case", len(self.parts)))
                operand = cursor.before("when")
                if not operand.done:
                    self.expression(operand)
            case "loop":
                cursor.next()
                self.nesting.append(("loop", len(self.parts)))
            case "while":
                cursor.next()
                self.open("loop", "loop")
            case "for" | "foreach":
                self.loop()
            case _:
                self.simple(self.to(";"))

    def open(self, what: str, word: str) -> None:
        self.expression(self.to(word))
        self.nesting.append((what, len(self.parts)))

    def end(self) -> None:
        """END, END IF, END LOOP, END CASE."""
        cursor = self.cursor
        cursor.expect("end")
        opened = self.nesting.pop()[0]
        if opened == "handler":
            opened = self.nesting.pop()[0]
        if opened != "begin":
            cursor.expect(opened)
        if cursor.word() not in {"", ";"} or cursor.kind() is TokenKind.QUOTED:
            cursor.identifier("a label")
        if self.nesting or not cursor.done:
            cursor.expect(";")

    def handlers(self) -> None:
        """EXCEPTION: what the block did before it may have been undone."""
        first = self.nesting[-1][1]
        self.parts[first:] = [replace(part, conditional=True) for part in self.parts[first:]]
        self.nesting.append(("handler", len(self.parts)))

    def loop(self) -> None:
        """FOR and FOREACH: over numbers, arrays, queries, cursors."""
        head = self.to("loop")
        head.before("in")
        head.expect("in")
        head.take("array")
        head.take("reverse")
        if head.word() == "execute":
            self.execute(head)
        else:
            self.expression(head)
        self.nesting.append(("loop", len(self.parts)))

    def simple(self, part: Cursor) -> None:  # noqa: C901, PLR0912 -- one flat table: first word, what it runs
        """A statement that ends with a semicolon."""
        word = part.word()
        if part.done:
            return
        if word == "execute":
            self.execute(part)
        elif word in {"commit", "rollback"}:
            self.opaque(part, f"{word.upper()} inside of the block")
        elif word == "perform":
            part.at += 1
            self.add(_query_of_perform(part), part, part.at - 1)
        elif word == "return" and part.word(1) == "query":
            part.at += 2
            if part.word() == "execute":
                self.execute(part)
            else:
                self.expression(part)
        elif word == "open":
            part.before("for")
            if part.take("for") and part.word() == "execute":
                self.execute(part)
            else:
                self.expression(part)
        elif word in _NO_SQL:
            part.at += 1
            self.expression(part)
        elif _is_assignment(part):
            part.before(":=", "=")
            part.at += 1
            self.expression(part)
        elif word in _QUERIES:
            self.query(part)
        else:
            for operation in self.read(part.part(part.at, part.end)):
                self.add(operation, part)

    def query(self, part: Cursor) -> None:
        """A query: INTO names variables here, no table."""
        if part.word() != "with":
            self.add(query_of(part.part(part.at, part.end)), part)
            return
        for operation in self.read(part.part(part.at, part.end)):
            known = Query(tables=(operation.table,)) if operation.kind == "create_table" else operation  # type: ignore[attr-defined]  # CreateTable has it
            self.add(known, part)

    def execute(self, part: Cursor) -> None:
        """EXECUTE: a text that is a constant is read, all else cannot be known."""
        start = part.at
        part.expect("execute")
        brackets = part.take("(")
        if part.kind() is TokenKind.STRING and (
            part.word(1) in {"using", "into"}
            or part.word(1 + brackets) in {"using", "into"}
            or part.at + 1 + brackets >= part.end
        ):
            for operation in self.read_text(part.tokens.value(part.at)):
                self.add(operation, part, start)
            return
        self.opaque(part, "SQL that is put together while it runs", start)

    def expression(self, part: Cursor) -> None:
        """An expression: it may call functions and read tables."""
        if part.done:
            return
        text = part.source()
        if "(" not in text and "select" not in text.lower():
            return
        start = part.at
        part.before("execute")
        whole = part.part(start, part.end)
        operation = _query_of_perform(whole)
        if operation.tables or operation.functions:
            self.add(operation, whole)

    def opaque(self, part: Cursor, reason: str, start: int | None = None) -> None:
        self.add(OpaqueCode(tag="DO", reason=reason), part, start)

    def add(self, operation: Operation, part: Cursor, start: int | None = None) -> None:
        first = part.at if start is None else start
        conditional = len(self.nesting) > 1
        if conditional and isinstance(operation, _SETTINGS):
            # Whoever counts on a timeout must not count on this one.
            operation = OpaqueCode(tag="DO", reason="whether a setting changes")
        self.parts.append(
            Part(
                operation=operation,
                start=part.tokens.starts[first],
                end=part.tokens.ends[part.end - 1],
                conditional=conditional,
            )
        )

    def to(self, word: str) -> Cursor:
        """Goes behind this word; gives what is before it. THEN inside CASE ... END does not count."""
        cursor = self.cursor
        start, cases = cursor.at, 0
        while True:
            cursor.before(word, "case", "end", ";")
            found = cursor.word()
            if found == "case":
                cases += 1
            elif found == "end" and cases:
                cases -= 1
            elif found == word and not cases:
                break
            elif found not in {word, "end"}:
                raise cursor.unexpected(word.upper())
            cursor.at += 1
        cursor.at += 1
        return cursor.part(start, cursor.at - 1)


def _query_of_perform(part: Cursor) -> Query:
    """What is behind PERFORM, or an expression: a query without the word SELECT."""
    if part.word() in {"select", "with", "values"}:
        return query_of(part.part(part.at, part.end))
    return reads_of(part)


def _is_assignment(part: Cursor) -> bool:
    """Whether `name := ...` or `name.field[1] = ...` stands here."""
    here = part.part(part.at, part.end)
    if here.kind() not in {TokenKind.WORD, TokenKind.QUOTED, TokenKind.NUMBER}:
        return False
    here.at += 1
    while here.word() in {".", "["}:
        if here.word() == "[":
            here.at = here.closing(here.at) + 1
        else:
            here.at += 2
    return here.word() in {":=", "="}


def nothing(text: str) -> Part:
    """What stands for a block that runs no SQL."""
    return Part(operation=OtherStatement(tag="DO NOTHING"), start=0, end=len(text))
