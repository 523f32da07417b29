"""Carries out the steps of a plan on a live database, resumable at any instruction."""
