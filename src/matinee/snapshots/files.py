"""Files that are whole or absent: synced writes, hashes, path checks, a lock between processes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from matinee.errors import SnapshotError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
"""Names of models and arrays: safe as file names everywhere."""
LOCK_SECONDS = 10.0


def sync_folder(path: Path) -> None:
    """Make renames and new files of a folder durable (a no-op where folders cannot be synced, as on Windows)."""
    if os.name == "nt":  # pragma: no cover
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file: readers see the old or the new content, also after a crash."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105 - Path.replace says nothing of atomicity
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # after a power cut the old or the new content may be there; both are whole
        sync_folder(path.parent)


def sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(folder: Path, name: str) -> Path:
    """The path of a snapshot's file, by its name in the manifest (`/` between parts).

    Raises:
        SnapshotError: the name leads out of the folder, by dots or by a symbolic link.
    """
    parts = PurePosixPath(name).parts
    if not parts or len(parts) > 4 or "/".join(parts) != name or not all(NAME.fullmatch(part) for part in parts):
        raise SnapshotError(f"The file name {name!r} is not allowed in a snapshot.")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise SnapshotError(f"{path} is a symbolic link, which a snapshot may not hold.")
    return path


@contextmanager
def locked(path: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock file against other processes and threads; the system frees it when a process dies.

    Raises:
        SnapshotError: somebody else held it for `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise SnapshotError(
                    f"Another process has held {path} for {timeout:g} seconds.", "Try again when it has finished."
                )
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


def process_alive(pid: int) -> bool:
    """Whether a process of this id runs (True where that cannot be known)."""
    if os.name == "nt":  # pragma: no cover - os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
