"""Triggers that keep two shapes of the same data equal."""
