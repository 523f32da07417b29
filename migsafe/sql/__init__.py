"""Text in, typed operations out. Pure, and the only importer of sqlglot."""
