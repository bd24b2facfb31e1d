"""Paths, lock files and processes of the snapshot folder."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from matinee._util import atomic_files
from matinee.errors import SnapshotError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
"""Valid names of models and arrays. They are safe file names on every platform."""
LOCK_SECONDS = 10.0


def inside(folder: Path, name: str) -> Path:
    """The path of a snapshot's file, by its name in the manifest (parts separated by `/`).

    Raises:
        SnapshotError: the name leaves the folder by `..` or a symbolic link.
    """
    parts = PurePosixPath(name).parts
    if not parts or len(parts) > 4 or "/".join(parts) != name or not all(NAME.fullmatch(part) for part in parts):
        raise SnapshotError(f"The file name {name!r} is not allowed in a snapshot.")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise SnapshotError(f"{path} is a symbolic link, which a snapshot must not contain.")
    return path


def locked(path: Path, timeout: float = LOCK_SECONDS) -> AbstractContextManager[None]:
    """Hold a lock file of the snapshot folder (see `matinee._util.atomic_files.locked`).

    Raises:
        SnapshotError: another process held it for `timeout` seconds.
    """
    return atomic_files.locked(
        path,
        timeout,
        SnapshotError(f"Another process has held {path} for {timeout:g} seconds.", "Try again when it has finished."),
    )


def process_alive(pid: int) -> bool:
    """Whether a process with this id is running; True if that cannot be determined."""
    if os.name == "nt":  # pragma: no cover - os.kill would terminate it on Windows
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
