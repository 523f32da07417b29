"""What fixers say when they leave a statement as it is."""


class Refused(Exception):
    """The statement must stay as it is: why, in the words of a report."""
