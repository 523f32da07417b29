"""Recipes for constraints."""
