"""Recipes for whole tables."""
