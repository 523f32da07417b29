"""Alembic revisions as SQL: rendered offline by the project's own Alembic, in a process of its own."""
