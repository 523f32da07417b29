"""Recipes for views, types, functions, triggers and their like."""
