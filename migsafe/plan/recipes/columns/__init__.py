"""Recipes for columns that come, go, change their type or their place."""
