"""The store: bytes by key, in one SQLite file. It never raises; what goes wrong means less is remembered.

Several processes may use it at once, and any of them may be killed at any time. A damaged file is thrown
away. Each entry carries a checksum, so damage that SQLite does not notice is a miss, too.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

NAME = "lint.sqlite"
FORMAT = 1  # of the tables; entries need no number: the program's digest is part of their keys
LIMIT = 64 << 20  # bytes: the size of the file
_WAIT = 0.25  # seconds for another process to finish; then this one does without
_DAY = 86_400  # seconds
_AT_ONCE = 500  # parameters of one statement: SQLite takes at least 999
_CHECK = 8  # bytes
_OVERHEAD = 100  # bytes: about what an entry takes besides its data

_TABLES = f"""
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY,
    day INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_by_day ON entry (day);
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class Store:
    """The entries of one folder. `limit` is in bytes."""

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self._path = folder / NAME
        self._limit = limit
        self._connection: sqlite3.Connection | None = None
        self._today = int(time.time()) // _DAY
        for _ in range(2):  # a damaged file goes away, and the second attempt makes a new one
            with self._guarded():
                self._connection = self._connection or self._open()

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What is known of these keys."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, bytes] = {}
        old: list[bytes] = []
        connection = self._connection
        if connection is None:
            return found
        with self._guarded():
            for at in range(0, len(wanted), _AT_ONCE):
                some = wanted[at : at + _AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT key, day, data FROM entry WHERE key IN ({marks})", some)  # noqa: S608 -- question marks
                for key, day, data in rows:
                    if isinstance(data, bytes) and data[:_CHECK] == _check(key, data[_CHECK:]):
                        found[key] = data[_CHECK:]
                    if day != self._today:
                        old.append(key)
            if old:
                self._touch(connection, old)
        return found

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        """Remembers these, and forgets what was not used for longest when there is no more room.

        What would fill more than half of the store at once is remembered in part.
        """
        connection = self._connection
        rows: list[tuple[bytes, int, bytes]] = []
        size = 0
        for key, data in entries.items():
            size += len(data) + _OVERHEAD
            if size > self._limit // 2:
                break
            rows.append((key, self._today, _check(key, data) + data))
        if connection is None or not rows:
            return
        with self._guarded():
            connection.execute("BEGIN IMMEDIATE")
            self._make_room(connection, size)
            connection.executemany("INSERT OR REPLACE INTO entry (key, day, data) VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
            connection.execute("PRAGMA incremental_vacuum").fetchall()

    def _open(self) -> sqlite3.Connection:
        # Made here so that nobody else can read it: SQLite would ask the umask.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)
        try:
            connection.text_factory = bytes  # a damaged entry may look like text, and not be any
            connection.execute("PRAGMA trusted_schema = OFF")
            # A crash of the machine may damage the file, which is then made anew: no waiting for the disk.
            connection.execute("PRAGMA synchronous = OFF")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in {0, FORMAT}:
                raise sqlite3.DatabaseError(f"format {version}")
            if version == 0:
                connection.executescript(_TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever goes wrong inside ends the use of the store; a damaged file goes away with it."""
        try:
            yield
        except sqlite3.Error as error:
            self.close()
            if _is_damage(error):
                self._throw_away()
        except OSError:
            self.close()

    def _throw_away(self) -> None:
        # The journal first: it must never be taken for that of the next file.
        for path in (self._path.with_name(f"{NAME}-journal"), self._path):
            with suppress(OSError):
                path.unlink()

    def _touch(self, connection: sqlite3.Connection, keys: list[bytes]) -> None:
        """Notes that these were used today; so a store in daily use is written to once a day."""
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE entry SET day = ? WHERE key = ?", [(self._today, key) for key in keys])
        connection.execute("COMMIT")

    def _make_room(self, connection: sqlite3.Connection, wanted: int) -> None:
        """Forgets the entries that were not used for longest, a quarter of the room at once."""
        page, pages, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        used = page * (pages - free)
        if used + wanted <= self._limit:
            return
        too_much = used + wanted - self._limit * 3 // 4
        rows = connection.execute("SELECT rowid, length(data) FROM entry ORDER BY day, rowid")
        gone: list[tuple[int]] = []
        while too_much > 0 and (row := rows.fetchone()) is not None:
            gone.append((row[0],))
            too_much -= row[1] + _OVERHEAD
        rows.close()
        connection.executemany("DELETE FROM entry WHERE rowid = ?", gone)


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is no store any more. A locked, read-only or full one may be fine."""
    is_wrong = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR  # such as: no such table
    return is_wrong or not isinstance(error, sqlite3.OperationalError)


def _check(key: bytes, data: bytes) -> bytes:
    return blake2b(data, digest_size=_CHECK, key=key).digest()
