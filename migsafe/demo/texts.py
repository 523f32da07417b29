"""The SQL files that lie next to these modules."""

from importlib.resources import files


def text_of(name: str) -> bytes:
    """The text of one SQL file of the demo; bytes, because psycopg takes no ordinary `str` for a query."""
    return files("migsafe.demo").joinpath(name).read_bytes()
