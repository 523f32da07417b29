"""Recipes that turn an unsafe operation into a phased plan: data, no connection."""
