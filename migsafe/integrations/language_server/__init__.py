"""The linter in an editor, by the Language Server Protocol."""
