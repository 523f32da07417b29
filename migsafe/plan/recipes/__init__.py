"""One module for each kind of unsafe operation that has a safe way."""
