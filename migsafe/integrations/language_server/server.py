"""The language server: what the editor says, and what it is answered."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from migsafe import __version__
from migsafe.errors import MigsafeError
from migsafe.integrations.language_server.actions import actions
from migsafe.integrations.language_server.judge import Judge, Judged
from migsafe.integrations.language_server.places import Places
from migsafe.integrations.language_server.show import diagnostic, hover, span
from migsafe.lint.model import Finding

QUIET_SECONDS = 0.15  # how long nobody has to type before a document is judged again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the editor was told about one version of a document."""

    version: int | None
    text: str
    judged: Judged


class MigsafeServer(LanguageServer):
    """Keeps what it said about every open document, for hovers and quick fixes."""

    def __init__(self) -> None:
        super().__init__("migsafe", __version__)
        self._judge = Judge()
        self._shown: dict[str, _Shown] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}

    def places(self, text: str) -> Places:
        """The positions of a text in the encoding that this editor counts in."""
        encoding = self.server_capabilities.position_encoding or types.PositionEncodingKind.Utf16
        return Places(text, encoding)

    def shown(self, uri: str) -> _Shown:
        """The judgement of the document as it is now."""
        document = self.workspace.get_text_document(uri)
        found = self._shown.get(uri)
        if found is None or found.text != document.source:
            path = Path(to_fs_path(uri) or uri)
            judged = self._judge.judge(path, document.source)
            found = _Shown(version=document.version, text=document.source, judged=judged)
            self._shown[uri] = found
        return found

    def fixes(self, judged: Judged) -> tuple[Finding, ...]:
        """The findings of a document with their fixes."""
        return self._judge.fixes(judged)

    def publish(self, uri: str) -> None:
        """Tells the editor what is wrong in the document, or why that cannot be told."""
        try:
            shown = self.shown(uri)
        except MigsafeError as error:
            self.window_show_message(
                types.ShowMessageParams(type=types.MessageType.Error, message=f"migsafe: {error}")
            )
            return
        places = self.places(shown.text)
        found = [diagnostic(finding, places) for finding in shown.judged.file.findings]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, version=shown.version, diagnostics=found)
        )

    def publish_soon(self, uri: str) -> None:
        """The same, once nobody types any more."""
        self.stop_waiting(uri)
        self._waiting[uri] = asyncio.create_task(self._publish_later(uri))

    async def _publish_later(self, uri: str) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        self._waiting.pop(uri, None)
        self.publish(uri)

    def stop_waiting(self, uri: str) -> None:
        """Whatever was going to be published about the document is out of date."""
        task = self._waiting.pop(uri, None)
        if task is not None:
            task.cancel()

    def forget(self, uri: str) -> None:
        """The document was closed."""
        self.stop_waiting(uri)
        self._shown.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    def publish_others(self, changed: str) -> None:
        """A saved file is the history of those after it."""
        for uri in [uri for uri in self._shown if uri != changed]:
            del self._shown[uri]
            self.publish(uri)


def make_server() -> MigsafeServer:
    """The server with all it answers, not started yet."""
    server = MigsafeServer()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _opened(ls: MigsafeServer, params: types.DidOpenTextDocumentParams) -> None:
        ls.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def _changed(ls: MigsafeServer, params: types.DidChangeTextDocumentParams) -> None:
        ls.publish_soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _saved(ls: MigsafeServer, params: types.DidSaveTextDocumentParams) -> None:
        ls.stop_waiting(params.text_document.uri)
        ls.publish(params.text_document.uri)
        ls.publish_others(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _closed(ls: MigsafeServer, params: types.DidCloseTextDocumentParams) -> None:
        ls.forget(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _hover(ls: MigsafeServer, params: types.HoverParams) -> types.Hover | None:
        shown = ls.shown(params.text_document.uri)
        places = ls.places(shown.text)
        at = places.offset(params.position)
        statement = next(
            (each for each in shown.judged.statements if each.statement.start <= at <= each.statement.end),
            None,
        )
        inside = [f for f in shown.judged.file.findings if span(f, places)[0] <= at <= span(f, places)[1]]
        return hover(inside, statement, places)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    def _actions(ls: MigsafeServer, params: types.CodeActionParams) -> list[types.CodeAction]:
        shown = ls.shown(params.text_document.uri)
        return actions(
            ls.fixes(shown.judged),
            params.context.diagnostics,
            uri=params.text_document.uri,
            places=ls.places(shown.text),
            text=shown.text,
        )

    return server
