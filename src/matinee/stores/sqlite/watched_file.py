"""The files of a store while it is in use: whether they are still the same, have shrunk, and can be written.

SQLite itself would go on with an open file that others no longer see, and what is written to it would be lost.
"""

from __future__ import annotations

import os
from pathlib import Path

from matinee.errors import StoreError
from matinee.stores.sqlite.errors import RESTORE

LITTLE = 1 << 20
"""Bytes left on the disk below which it is tried whether writing works."""
WAL = "-wal"
"""End of the name of SQLite's log."""


def beside(path: Path, suffix: str) -> Path:
    """A file that belongs to a store."""
    return path.with_name(path.name + suffix)


def size_of(path: Path) -> int:
    """Bytes; 0 where there is no file."""
    return path.stat().st_size if path.exists() else 0


class WatchedFile:
    """A store's file and its write-ahead log, by their names.

    Attributes:
        cut: what is known of bytes that were cut off; "": nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, beside(path, WAL)
        self._name, self._log_name = os.fspath(path), os.fspath(self.log)
        self._file: tuple[int, int] | None = None
        self._largest = 0
        self._log_file: int | None = None
        self.cut = ""

    def keep(self) -> None:
        """From now on it is to be the file that is there."""
        self._file = self._look()

    def check(self) -> None:
        """Note if it has shrunk. Raise StoreError where it was removed, emptied or replaced."""
        if self._file is not None and self._look() != self._file:
            raise StoreError(
                f"The store {self.path} was removed, emptied or replaced while in use.",
                "Restore the file, or restart the server to continue with the file that is there now.",
            )

    def look(self) -> None:
        """Note if it has grown or shrunk."""
        self._look()

    def _look(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path; None if it is missing or empty."""
        try:
            status = os.stat(self._name)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        size = status.st_size
        if size < self._largest and size:
            self.cut = f"it was cut from {self._largest:,} to {size:,} bytes while in use"
        elif size > self._largest:
            self._largest = size
        return (status.st_dev, status.st_ino) if size else None

    def forget_log(self) -> None:
        """The next writer may have another log."""
        self._log_file = None

    def check_log(self) -> None:
        """Raise StoreError where SQLite writes to a log that others no longer see."""
        try:
            found = os.stat(self._log_name).st_ino  # noqa: PTH116
        except OSError:
            found = 0
        if self._log_file is None:
            self._log_file = found
        if not found or found != self._log_file:
            raise StoreError(
                f"The -wal file of the store {self.path} was removed or replaced while in use.",
                f"It may not be known what is stored. {RESTORE}",
            )

    def frozen_state(self) -> tuple[object, ...]:
        """What changes when another process can write a file that nobody could write."""
        found: list[object] = []
        for name in (self._name, self._log_name):
            try:
                status = os.stat(name)  # noqa: PTH116
                found.append((status.st_ino, status.st_size, status.st_mtime_ns) if status.st_size else None)
            except OSError:
                found.append(None)
        return tuple(found)

    def is_read_only(self) -> bool:
        """Whether the rights or the mounted disk say so."""
        folder = self.path.parent
        if not os.access(self._name, os.W_OK) or not os.access(folder, os.W_OK):
            return True
        return os.name != "nt" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)

    def has_little_room(self) -> bool:
        """Whether the disk is nearly full."""
        if os.name == "nt":  # pragma: no cover
            return False
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize < LITTLE
