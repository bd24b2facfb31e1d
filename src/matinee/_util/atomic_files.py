"""Files shared between processes: atomic replacement, fsync, hashes, lock files."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path
from uuid import uuid4

from matinee.errors import MatineeError

PART = ".part"
_NO_SYNC_OF_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What file systems answer that cannot fsync a folder."""
HASHED = 16 << 20
"""Bytes hashed at a time: with less, a thread waits longer for the interpreter, where others use it, than it hashes."""
STALE = 3600.0
"""Age in seconds after which a temporary file is nobody's any more."""


class UnsyncedError(OSError):
    """A file is in its place, but the disk does not confirm it: it may be gone after a power cut."""


def sync_folder(path: Path) -> None:
    """Fsync a folder, so that its renames and new files survive a power cut. A no-op on Windows.

    File systems that cannot do it are let pass, as PostgreSQL's `fsync_fname` does: there is nothing to be done.

    Raises:
        OSError: the disk failed.
    """
    if os.name == "nt":  # pragma: no cover
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC_OF_FOLDERS:
            raise
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Fsync a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes; `algorithm` is sha256, or md5 where a publisher gives only that."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        size = max(1, min(HASHED, os.fstat(file.fileno()).st_size))
        with mmap(-1, size) as held, memoryview(held) as block:  # which goes back to the system afterwards
            while count := file.readinto(block):
                digest.update(block[:count])
    return digest.hexdigest()


def file_stamp(path: Path) -> object:
    """A value that changes whenever a file is written or replaced.

    Raises:
        OSError: it cannot be looked at.
    """
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Write a file atomically: the block writes a temporary file in the same folder, which then replaces `path`.

    Readers see either the old or the new content, also after a crash. If the block raises, nothing changes.

    Args:
        durable: fsync, so that the new content survives a power cut; otherwise a power cut may leave an empty file.

    Raises:
        UnsyncedError: the file was replaced, but the rename could not be synced.
        OSError: nothing was changed.
    """
    hidden = path.with_name(f".{uuid4().hex}{PART}")
    try:
        yield hidden
        if durable:
            sync_file(hidden)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
    if durable:
        try:
            sync_folder(path.parent)
        except OSError as error:
            raise UnsyncedError(error.errno, error.strerror, os.fspath(path)) from error


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file atomically by one that only its owner may read (mode 0600).

    Where root writes into another user's folder, the file is that user's.
    """
    with replacing(path) as hidden:
        handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        like_its_folder(hidden)


def like_its_folder(path: Path) -> None:
    """Give a new file to the owner of its folder; a no-op but for root."""
    if os.name == "posix" and os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def remove_leftovers(folder: Path) -> None:
    """Delete, in a folder and all below, temporary files of `replacing` that killed processes have left."""
    with suppress(OSError):
        for path in folder.rglob(f".*{PART}"):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > STALE:
                    path.unlink()


@contextmanager
def locked(path: Path, timeout: float, busy: MatineeError) -> Iterator[None]:
    """Hold a lock file against other processes and threads. The system releases it when the process dies.

    Args:
        timeout: seconds to wait for the current holder.
        busy: raised when the timeout expires.
    """
    deadline = time.monotonic() + timeout
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise busy
            time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        return _try_lock_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_lock_windows(handle: int) -> bool:  # pragma: no cover
    import msvcrt

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True
