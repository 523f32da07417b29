"""Recipes for indexes."""
