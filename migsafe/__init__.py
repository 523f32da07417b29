"""PostgreSQL schema changes that are safe while the application keeps serving traffic."""

__version__ = "0.1.0"
