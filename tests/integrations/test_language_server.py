"""The language server as an editor meets it: a process, spoken to by a client that checks the protocol."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities, make_test_lsp_client

DIAGNOSTICS = types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS
EDITORS = ["visual-studio-code", "neovim", "emacs"]


@asynccontextmanager
async def editor(
    folder: Path, name: str = "visual-studio-code"
) -> AsyncIterator[tuple[LanguageClient, types.InitializeResult]]:
    client = make_test_lsp_client()
    await client.start_io(sys.executable, "-m", "migsafe", "lsp")
    try:
        answer = await client.initialize_session(
            types.InitializeParams(
                capabilities=client_capabilities(name),
                workspace_folders=[types.WorkspaceFolder(uri=folder.as_uri(), name="work")],
            )
        )
        yield client, answer
    finally:
        await client.shutdown_session()
        await client.stop()  # type: ignore[no-untyped-call]  # pytest-lsp leaves it untyped


async def opened(client: LanguageClient, path: Path, text: str) -> list[types.Diagnostic]:
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            text_document=types.TextDocumentItem(uri=path.as_uri(), language_id="sql", version=1, text=text)
        )
    )
    await client.wait_for_notification(DIAGNOSTICS)
    return list(client.diagnostics[path.as_uri()])


async def typed(client: LanguageClient, path: Path, version: int, text: str) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=path.as_uri(), version=version),
            content_changes=[types.TextDocumentContentChangeWholeDocument(text=text)],
        )
    )


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), timeout=60)

    asyncio.run(limited())


@pytest.mark.parametrize("name", EDITORS)
def test_a_finding_is_shown_where_it_is_in_the_editors_own_units(tmp_path: Path, name: str) -> None:
    path = tmp_path / "1.sql"
    text = "SET lock_timeout = '2s';\n/* 🐘é */ ALTER TABLE users RENAME COLUMN a TO b;\n"

    async def test() -> None:
        async with editor(tmp_path, name) as (client, answer):
            (found,) = await opened(client, path, text)
            encoding = answer.capabilities.position_encoding
            elephant = {"utf-8": 4, "utf-16": 2, "utf-32": 1}[
                str(getattr(encoding, "value", encoding or "utf-16"))
            ]
            accent = 2 if elephant == 4 else 1
            assert found.range.start == types.Position(line=1, character=7 + elephant + accent)
            assert found.code == "renamed-column"
            assert found.source == "migsafe"
            assert found.severity is types.DiagnosticSeverity.Error
            assert found.code_description is not None
            assert found.code_description.href.endswith("docs/rules/renamed-column.md")

    run(test)


def test_typing_brings_findings_and_takes_them_away(tmp_path: Path) -> None:
    path = tmp_path / "1.sql"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            assert await opened(client, path, "SELECT 1;") == []
            await typed(client, path, 2, "DROP TABLE")
            await typed(client, path, 3, "SET lock_timeout = '2s'; DROP TABLE users;")
            await client.wait_for_notification(DIAGNOSTICS)
            assert [each.code for each in client.diagnostics[path.as_uri()]] == ["dropped-table"]
            await typed(client, path, 4, "SELECT 1;")
            await client.wait_for_notification(DIAGNOSTICS)
            assert list(client.diagnostics[path.as_uri()]) == []

    run(test)


def test_earlier_files_are_the_history_of_a_document(tmp_path: Path) -> None:
    first, second = tmp_path / "1.sql", tmp_path / "2.sql"
    first.write_text("CREATE TABLE t (a varchar(50));")
    text = "SET lock_timeout = '2s'; ALTER TABLE t ALTER COLUMN a TYPE varchar(80);"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            assert await opened(client, second, text) == []
            first.write_text("CREATE TABLE t (a varchar(90));")
            assert await opened(client, first, first.read_text()) == []
            client.text_document_did_save(
                types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri=first.as_uri()))
            )
            while not client.diagnostics[second.as_uri()]:
                await client.wait_for_notification(DIAGNOSTICS)
            codes = [each.code for each in client.diagnostics[second.as_uri()]]
            assert "changed-column-type" in codes

    run(test)


def test_pointing_at_a_statement_says_what_it_does(tmp_path: Path) -> None:
    path = tmp_path / "1.sql"
    text = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();\n"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            await opened(client, path, text)
            found = await client.text_document_hover_async(
                types.HoverParams(
                    text_document=types.TextDocumentIdentifier(uri=path.as_uri()),
                    position=types.Position(line=1, character=20),
                )
            )
            assert found is not None
            assert isinstance(found.contents, types.MarkupContent)
            assert "ACCESS EXCLUSIVE on `public.users`" in found.contents.value
            assert "**Rewrites** `public.users`" in found.contents.value
            assert "docs/rules/volatile-default.md" in found.contents.value
            assert found.range is not None
            assert found.range.start == types.Position(line=1, character=0)

    run(test)


def test_a_finding_can_be_allowed_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "1.sql"
    text = "SET lock_timeout = '2s';\n  DROP TABLE users;\n"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            found = await opened(client, path, text)
            actions = await client.text_document_code_action_async(
                types.CodeActionParams(
                    text_document=types.TextDocumentIdentifier(uri=path.as_uri()),
                    range=found[0].range,
                    context=types.CodeActionContext(diagnostics=found),
                )
            )
            (allow,) = [each for each in actions or [] if each.title.startswith("Allow dropped-table")]
            assert isinstance(allow, types.CodeAction)
            assert allow.edit is not None
            assert allow.edit.changes is not None
            (edit,) = allow.edit.changes[path.as_uri()]
            assert edit.new_text == "  -- migsafe: allow dropped-table: \n"
            assert edit.range.start == edit.range.end == types.Position(line=1, character=0)

    run(test)


def test_a_certain_fix_is_offered_first(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("CREATE TABLE users (id bigint PRIMARY KEY, email text);")
    path = tmp_path / "2.sql"
    text = "SET lock_timeout = '2s';\nSET statement_timeout = '1min';\nCREATE INDEX i ON users (email);\n"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            found = await opened(client, path, text)
            (mark,) = [each for each in found if each.code == "blocking-index-build"]
            actions = await client.text_document_code_action_async(
                types.CodeActionParams(
                    text_document=types.TextDocumentIdentifier(uri=path.as_uri()),
                    range=mark.range,
                    context=types.CodeActionContext(diagnostics=[mark]),
                )
            )
            assert actions is not None
            first = actions[0]
            assert isinstance(first, types.CodeAction)
            assert first.is_preferred
            assert first.edit is not None
            assert first.edit.changes is not None
            assert "CONCURRENTLY" in "".join(edit.new_text for edit in first.edit.changes[path.as_uri()])

    run(test)


def test_the_configuration_holds_in_an_editor_too(tmp_path: Path) -> None:
    (tmp_path / "migsafe.toml").write_text('[rules]\ndropped-table = "off"\n')
    path = tmp_path / "1.sql"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            found = await opened(client, path, "SET lock_timeout = '2s'; DROP TABLE users;")
            assert [each.code for each in found] == []

    run(test)


def test_a_closed_document_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1.sql"

    async def test() -> None:
        async with editor(tmp_path) as (client, _):
            assert await opened(client, path, "DROP TABLE users;")
            client.text_document_did_close(
                types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri=path.as_uri()))
            )
            await client.wait_for_notification(DIAGNOSTICS)
            assert list(client.diagnostics[path.as_uri()]) == []

    run(test)
