"""Judges a plan before anybody runs it: is it well made, does it lint clean, does it fit the database."""
