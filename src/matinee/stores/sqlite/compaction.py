"""Compaction: a store's file is written anew without the room that deleted rows have left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from matinee.errors import StoreError
from matinee.stores.sqlite import migrations
from matinee.stores.sqlite.connection import Connection
from matinee.stores.sqlite.errors import store_error
from matinee.stores.sqlite.opening import check_content
from matinee.stores.sqlite.replacement import alone
from matinee.stores.sqlite.watched_file import size_of


def compact(path: Path) -> tuple[int, int]:
    """Write a store's file anew, which no process may have open. Returns its bytes before and after.

    Killed at any moment it leaves the content as it was. It takes room on the disk for a second copy, and a third.

    Raises:
        StoreError: there is none, a service has it open, it is damaged or another program's, or the disk is full; the
            content is as it was.
    """
    if not size_of(path):
        raise StoreError(f"There is no store {path}.", "See `matinee settings` for the folder of data.")
    try:
        with alone(path), closing(_connected(path)) as connection:
            migrations.check(connection, path)
            _empty_log(connection)
            before = size_of(path)
            check_content(connection, 0)
            connection.execute("VACUUM")
            _empty_log(connection)
            return before, size_of(path)
    except sqlite3.Error as error:
        raise store_error(error, path, writing=True) from error


def _connected(path: Path) -> Connection:
    # Not as services connect: they keep temporary tables in memory, where the copy would be one.
    return sqlite3.connect(path, isolation_level=None, factory=Connection)


def _empty_log(connection: Connection) -> None:
    """Move the write-ahead log into the file."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
