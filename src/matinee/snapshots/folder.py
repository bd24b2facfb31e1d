"""Paths, lock files and processes of the snapshot folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from matinee._util import atomic_files
from matinee._util.private_files import private_folder
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


@contextmanager
def locked(path: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock file of the snapshot folder (see `matinee._util.atomic_files.locked`).

    Raises:
        SnapshotError: another process held it for `timeout` seconds, or it cannot be made or locked.
    """
    busy = SnapshotError(f"Another process has held {path} for {timeout:g} seconds.", "Try again when it has finished.")
    with ExitStack() as held:
        try:
            private_folder(path.parent)
            held.enter_context(atomic_files.locked(path, timeout, busy))
        except OSError as error:
            raise SnapshotError(
                f"The folder of the snapshots cannot be locked: {error.strerror or error}.",
                f"Check the rights of {path.parent} and the space left. Nothing was changed.",
            ) from error
        yield


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
