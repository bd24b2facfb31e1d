"""Files and folders that only their owner may read: what people rated is nobody else's business."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

from matinee._util.atomic_files import sync_folder

log = logging.getLogger("matinee")
FOLDER, FILE = 0o700, 0o600
_OTHERS = 0o077
_told: set[Path] = set()


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner alone; their names survive a power cut.

    One that is there stays as it is.

    Raises:
        OSError: it cannot be made, or a file is in its place.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        if path.parent == path:
            break
        path = path.parent
    for folder in reversed(missing):
        try:
            folder.mkdir(FOLDER)
        except FileExistsError:
            if not folder.is_dir():
                raise
        else:
            sync_folder(folder.parent)


def private_file(path: Path) -> None:
    """Make an empty file for its owner alone, unless there is a file.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE))


def warn_if_open(path: Path) -> None:
    """Log, once in a process, that others may read what is in a folder, and how that is changed."""
    if os.name == "nt":  # pragma: no cover
        return
    with suppress(OSError):
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & _OTHERS and path not in _told:
            _told.add(path)
            log.warning(
                "Other users of this machine may look into %s. Where they should not: chmod -R go= '%s'", path, path
            )
