"""How a store's file is opened: shared with a restore, made where it is missing, migrated, checked."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from matinee._util.file_lock import FileLock
from matinee._util.private_files import private_file
from matinee.errors import StoreError
from matinee.stores.sqlite import migrations
from matinee.stores.sqlite.connection import Access, Connection
from matinee.stores.sqlite.errors import is_busy
from matinee.stores.sqlite.replacement import IN_USE, alone, is_pending
from matinee.stores.sqlite.watched_file import beside, size_of

CHECK_BELOW = 64 << 20
"""Files smaller than this (bytes) get a full integrity check when opened. It takes well under a second."""

log = logging.getLogger("matinee.stores")
_told = False


def shared_lock(path: Path, seconds: float) -> FileLock:
    """The lock that a restore needs for itself, shared.

    Raises:
        StoreError: a restore has it, and did not end within these seconds.
    """
    while True:
        if is_pending(path):
            with alone(path):  # which finishes the restore that was killed
                pass
        lock = FileLock(beside(path, IN_USE))
        if not lock.acquire(time.monotonic() + seconds, shared=True):
            lock.close()
            raise StoreError(f"The store {path} is being restored.", "Wait until `matinee restore` has ended.")
        if not is_pending(path):
            return lock
        lock.close()


def make_file(path: Path, log_path: Path) -> int:
    """Make the file where it is missing, for the user alone. Returns its size before, bytes.

    Raises:
        sqlite3.DatabaseError: it is empty and its log is not; SQLite would discard the log.
    """
    size = size_of(path)
    if not size and path.exists() and size_of(log_path):
        raise sqlite3.DatabaseError("the file is empty, but its write-ahead log is not")
    private_file(path)
    return size


def make_ready(writer: Connection, path: Path, size: int, seconds: float) -> None:
    """Bring the content of a file of this size (bytes, before it was opened) to this version, and check it.

    Raises:
        StoreError, sqlite3.Error: it cannot be used.
    """
    migrations.check(writer, path)
    _set_wal(writer, seconds)
    migrations.migrate(writer, path)
    check_content(writer, size)
    _tell_version()


def check_content(connection: Connection, size: int) -> None:
    """Raise sqlite3.DatabaseError where a file of less than `CHECK_BELOW` bytes is damaged."""
    if size < CHECK_BELOW:
        result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if result != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({result})")


def ways_to_read(path: Path, log_path: Path) -> list[Access]:
    """How a file that cannot be written may be read, in the order in which it is tried."""
    size, logged = size_of(path), size_of(log_path)
    ways = [Access.READ_ONLY] if size else []
    if size and not logged:
        ways.append(Access.FROZEN)
    if not size and not logged and not path.is_dir():
        ways.append(Access.ABSENT)
    return ways


def _set_wal(connection: sqlite3.Connection, seconds: float) -> None:
    # The busy handler does not cover changes of the journal mode, so poll while another process creates the file.
    deadline = time.monotonic() + max(seconds, 1.0)
    while True:
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
            raise sqlite3.OperationalError("its file system does not support write-ahead logging")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether a version of SQLite has the WAL-reset bug (https://sqlite.org/wal.html#walresetbug).

    Those from 3.7 to 3.51.2 do, but for two branches that were mended.
    """
    mended = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}.get((version[0], version[1]), (3, 51, 3))
    return (3, 7) <= version < mended


def _tell_version() -> None:
    """Log once that the SQLite of this Python has the WAL-reset bug, and what follows of it."""
    global _told
    if not _told and has_wal_reset_bug(sqlite3.sqlite_version_info):
        _told = True
        log.info(
            "SQLite %s has the WAL-reset bug (mended in 3.51.3). Matinee's processes write in turn, so that it cannot"
            " happen between them; let no other program write to the store while they run.",
            sqlite3.sqlite_version,
        )
