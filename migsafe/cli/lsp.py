"""`migsafe lsp`: the linter as a language server for editors."""


def lsp() -> None:
    """Serve an editor by the Language Server Protocol, over standard input and output.

    Shows findings while you type, what each statement does when you point at it, and quick fixes.
    Needs: pip install 'migsafe[lsp]'.
    """
    from migsafe.errors import UsageError

    try:
        from migsafe.integrations.language_server.server import make_server
    except ImportError as error:
        raise UsageError(
            f"the language server is not installed ({error.name} is missing)",
            advice="pip install 'migsafe[lsp]'",
        ) from error
    make_server().start_io()
