"""Django migrations as SQL: rendered by the project's own Django, in a process of its own."""
