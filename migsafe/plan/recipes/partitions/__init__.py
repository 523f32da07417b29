"""Recipes for partitions that are attached and detached."""
