"""Markers of all tools on any text: no exception, and every character stays where it was."""

from collections.abc import Callable
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.sources.placeholders import fill
from migsafe.sources.settings import Direction
from migsafe.sources.tools import batch, dbmate, goose, liquibase, node_pg_migrate, plain, sqitch
from migsafe.sources.tools.marked import Marked

TOOLS: dict[str, Callable[[str, Direction], Marked]] = {
    "goose": goose.mark,
    "dbmate": dbmate.mark,
    "node-pg-migrate": node_pg_migrate.mark,
    "liquibase": liquibase.mark,
    "batch": lambda text, _direction: batch.mark(text),
    "plain": lambda text, _direction: plain.mark(text),
}
PIECES = [
    "-- +goose Up", "-- +goose Down", "-- +goose StatementEnd", "-- +goose ENVSUB ON",
    "-- +goose NO TRANSACTION",
    "-- migrate:up transaction:false", "-- migrate:down", "--liquibase formatted sql", "--changeset a:1",
    "-- changeset a:b runInTransaction:false endDelimiter:/", "--rollback DROP TABLE t;", "--rollback empty",
    "/* liquibase rollback", "*/", "--ignoreLines:2", "--ignoreLines:start", "--ignoreLines:end", "/", "GO",
    "-- Up Migration", "-- Down Migration", "${a}", "${ a", "}", "CREATE TABLE t (id int);", "'", "$$", ";",
    "é", "\ufeff", "\t", " ", "\n", "\r\n", "\r", "-- no-transaction", "DROP TABLE t",
]  # fmt: skip
texts = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES)).map("\n".join),
    st.lists(st.sampled_from(PIECES)).map("".join),
)


@pytest.mark.parametrize("tool", TOOLS)
@given(text=texts, direction=st.sampled_from(Direction))
def test_every_line_end_stays_where_it_was(tool: str, text: str, direction: Direction) -> None:
    marked = TOOLS[tool](text, direction).text
    kept = marked[: len(text)]
    assert len(kept) == len(text)
    assert [at for at, one in enumerate(kept) if one in "\r\n"] == [
        at for at, one in enumerate(text) if one in "\r\n"
    ]
    # Behind the end of the file only the end of an open transaction may be added.
    assert marked[len(text) :] in {"", "\nCOMMIT;"}


@pytest.mark.parametrize("tool", TOOLS)
@given(text=texts, direction=st.sampled_from(Direction))
def test_what_is_kept_is_what_stood_there(tool: str, text: str, direction: Direction) -> None:
    marked = TOOLS[tool](text, direction).text
    added = set(" ;BEGINCOMMIT_p") | set(ascii_lowercase)
    assert all(new == old or new in added for new, old in zip(marked, text, strict=False))


@given(text=texts, values=st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=9)))
def test_the_pieces_of_a_filled_script_join_to_it(text: str, values: dict[str, str]) -> None:
    filled, origins = fill(text, values, path="x.sql")
    if not origins:
        assert len(filled) == len(text)
        return
    assert [origin.start for origin in origins] == [0, *(origin.end for origin in origins[:-1])]
    assert origins[-1].end == len(filled)


@given(text=texts)
def test_any_plan_can_be_read(text: str) -> None:
    for change in sqitch.read_plan(text):
        assert change.name
