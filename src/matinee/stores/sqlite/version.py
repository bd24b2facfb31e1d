"""Which versions of SQLite have the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""

from __future__ import annotations

import logging
import sqlite3

log = logging.getLogger("matinee.stores")
_told = False


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether a version of SQLite has the WAL-reset bug: from 3.7 to 3.51.2, but for two branches that were mended."""
    mended = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}.get((version[0], version[1]), (3, 51, 3))
    return (3, 7) <= version < mended


def tell_version() -> None:
    """Log once that the SQLite of this Python has the WAL-reset bug, and what follows of it."""
    global _told
    if not _told and has_wal_reset_bug(sqlite3.sqlite_version_info):
        _told = True
        log.info(
            "SQLite %s has the WAL-reset bug (mended in 3.51.3). Matinee's processes write in turn, so that it cannot"
            " happen between them; let no other program write to the store while they run.",
            sqlite3.sqlite_version,
        )
