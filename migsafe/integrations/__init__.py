"""migsafe inside other programs: editors, migration tools."""
