"""Where scripts come from, and in which order they run."""
