"""The configuration: `[tool.migsafe]` in pyproject.toml, or migsafe.toml."""
