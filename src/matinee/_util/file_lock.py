"""Locks of a file against other processes; the system releases them when a process dies."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from matinee._util.private_files import FILE

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, which knows no shared locks: there nothing is locked
    fcntl = None  # type: ignore[assignment]

FIRST_PAUSE, LONGEST_PAUSE = 0.0001, 0.001
"""Seconds between two attempts."""
_WAITS, _NOBODY = b"w", b"-"


class FileLock:
    """One holder's lock; several threads must not use it at once.

    Args:
        path: made if it is missing; never deleted, since others may wait for it.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), FILE)

    def acquire(self, deadline: float, *, shared: bool = False) -> bool:
        """Take the lock; False if others still hold it at a time (`time.monotonic`).

        Args:
            shared: with others who share it, too.
        """
        pause = FIRST_PAUSE
        while not self.attempt(shared=shared):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def attempt(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free."""
        if fcntl is None:  # pragma: no cover
            return True
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        if fcntl is not None:  # pragma: no branch
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def read(self, size: int) -> bytes:
        """The first bytes of the file."""
        return os.pread(self._handle, size, 0) if hasattr(os, "pread") else b""

    def write(self, data: bytes) -> None:
        """Replace the first bytes of the file."""
        if hasattr(os, "pwrite"):  # pragma: no branch
            os.pwrite(self._handle, data, 0)

    def close(self) -> None:
        """Give the lock back for good. Idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class Turn:
    """A lock that its holders hand on: whoever has just had it cannot take it again before one who waits.

    The first who waits holds a second lock, and says so in its file. Everybody who reads that has to take the second
    lock before the first one; where nobody waits, one lock is enough.

    Args:
        path, queue: files of the two locks.

    Raises:
        OSError: a file cannot be opened.
    """

    def __init__(self, path: Path, queue: Path) -> None:
        self._lock = FileLock(path)
        try:
            self._queue = FileLock(queue)
        except OSError:
            self._lock.close()
            raise

    def acquire(self, deadline: float) -> bool:
        """Take the lock; False if others still hold it at a time (`time.monotonic`)."""
        if self._queue.read(1) != _WAITS and self._lock.attempt():
            return True
        if not self._queue.acquire(deadline):
            return False
        try:
            self._say(_WAITS)
            return self._lock.acquire(deadline)
        finally:
            self._say(_NOBODY)  # what somebody who was killed has said, too
            self._queue.release()

    def _say(self, word: bytes) -> None:
        with suppress(OSError):  # a full disk: then turns are less fair
            self._queue.write(word)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def close(self) -> None:
        """Give the lock back for good. Idempotent."""
        self._lock.close()
        self._queue.close()
