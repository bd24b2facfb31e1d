"""Translation of SQLite and file system errors into `StoreError`s with a hint for the operator."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from matinee.errors import StoreError


def is_busy(error: BaseException) -> bool:
    """Whether another connection held a lock for longer than the busy timeout."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def store_error(error: Exception, path: Path) -> StoreError:
    """The `StoreError` for an error of SQLite or the file system."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if is_busy(error):
        hint = "Another process is writing; try again, or raise MATINEE_BUSY_TIMEOUT."
    elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        hint = "Make room on the disk, then try again; nothing of this write was stored."
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) or isinstance(error, OSError):
        hint = "Make the file and its folder writable for this user, or choose another MATINEE_DATA_DIR."
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        hint = "Move the file and its -wal and -shm files away, then restore a backup or start with an empty store."
    else:
        hint = "Check the file and its folder."
    return StoreError(f"The store {path} cannot answer: {text}.", hint)
