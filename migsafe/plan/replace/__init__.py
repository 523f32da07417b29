"""A column or a table that makes way for another one, with all that hangs on it."""
