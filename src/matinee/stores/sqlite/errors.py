"""Translation of SQLite and file system errors into `StoreError`s with a hint for the operator."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from matinee.errors import ReadOnlyError, StoreError

RESTORE = (
    "Stop the service and run `matinee restore BACKUP`, which sets the present files aside."
    " Delete nothing: without a backup they are all there is."
)
_UNWRITABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)
_UNWRITABLE_FILE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM)


def code_of(error: BaseException) -> int:
    """The primary code of an error of SQLite, else 0."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another connection held a lock for longer than the busy timeout."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_unwritable(error: BaseException) -> bool:
    """Whether an error while writing leaves hope that reading works: a full or read-only disk, missing rights."""
    return code_of(error) in _UNWRITABLE or (isinstance(error, OSError) and error.errno in _UNWRITABLE_FILE)


def store_error(error: Exception, path: Path, *, writing: bool = False) -> StoreError:
    """The `StoreError` for an error of SQLite or the file system.

    Args:
        error: what was raised.
        path: the file.
        writing: it came of a write, so that reading may still work.
    """
    text = str(error)
    code = code_of(error)
    full = code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))
    if is_busy(error):
        hint = "Another process is writing; try again, or raise MATINEE_BUSY_TIMEOUT."
    elif full or code == sqlite3.SQLITE_IOERR:
        hint = "Make room on the disk, or look for its faults in the system's log; nothing of this write was stored."
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) or isinstance(error, OSError):
        hint = "Make the file and its folder writable for this user, or choose another MATINEE_DATA_DIR."
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        hint = RESTORE
    else:
        hint = f"Check the file and its folder. {RESTORE}"
    if writing and is_unwritable(error):
        return ReadOnlyError(f"The store {path} cannot be written: {text}.", hint)
    return StoreError(f"The store {path} cannot answer: {text}.", hint)
