"""Scratch PostgreSQL servers for the demo, for verification and for tests. Stands alone."""
