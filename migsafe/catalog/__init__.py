"""What the schema looks like at a point: replayed, read from a dump, or from a live server."""
