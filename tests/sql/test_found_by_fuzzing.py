"""Texts that the fuzzer of tests/fuzz found, and what must come of them."""

from migsafe.sql.changes import NotFollowed
from migsafe.sql.operations import OtherStatement
from migsafe.sql.script import read_script


def test_a_sequence_owned_by_one_name_alone_is_not_followed() -> None:
    (statement,) = read_script("alter sequence if exists q owned by one;").statements
    (operation,) = statement.operations
    assert isinstance(operation, OtherStatement)
    assert isinstance(operation.changes[0], NotFollowed)
