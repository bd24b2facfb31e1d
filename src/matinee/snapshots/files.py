"""Files of the shelf: whole or absent, inside their folder, locked between processes."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePosixPath

from matinee import files
from matinee.errors import SnapshotError
from matinee.files import sync_folder

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
"""Names of models and arrays: safe as file names everywhere."""
LOCK_SECONDS = 10.0


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


def locked(path: Path, timeout: float = LOCK_SECONDS) -> AbstractContextManager[None]:
    """Hold a lock file of the shelf (see `matinee.files.locked`).

    Raises:
        SnapshotError: somebody else held it for `timeout` seconds.
    """
    return files.locked(
        path,
        timeout,
        SnapshotError(f"Another process has held {path} for {timeout:g} seconds.", "Try again when it has finished."),
    )


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
