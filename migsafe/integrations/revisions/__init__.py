"""Plans from Alembic's revisions, and revisions from plans. The project's own Alembic is asked."""
