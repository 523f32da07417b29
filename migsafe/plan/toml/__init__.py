"""Plan files: the plan as TOML, and back."""
