"""Recipes for the rows themselves."""
