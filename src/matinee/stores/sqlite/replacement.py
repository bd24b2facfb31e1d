"""Puts another file in the place of a store, so that a kill at any moment leaves the old one or the new one.

What is to be done is written down first. Whoever comes next, another restore or a service that opens the store,
finishes it. The present file is never deleted, nor its `-wal`, which SQLite would else replay over the new file: they
are moved aside together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from matinee._util.atomic_files import replacing, sync_folder
from matinee._util.file_lock import FileLock
from matinee._util.private_files import private_folder
from matinee.errors import StoreError

IN_USE, PLAN = ".in-use", ".restoring"
OLD = ("-wal", "-shm", "-journal", "")
"""Files of a store; the file itself goes last."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While no process has the store open.

    Raises:
        StoreError: one has.
    """
    private_folder(path.parent)
    lock = FileLock(_named(path, IN_USE))
    try:
        if not lock.acquire(monotonic()):
            raise StoreError(f"The store {path} is in use.", "Stop the service that uses it, then restore again.")
        finish(path)
        yield
    finally:
        lock.close()


def replace(path: Path, staged: Path, aside: Path) -> None:
    """Put a file in the place of a store, which nobody has open (`alone`).

    Args:
        path: the store.
        staged: a whole database without a log of its own, on the same disk, synced.
        aside: folder that the present files are moved to.
    """
    with replacing(_named(path, PLAN)) as plan:
        plan.write_text(json.dumps({"staged": os.fspath(staged), "aside": os.fspath(aside)}))
    finish(path)


def is_pending(path: Path) -> bool:
    """Whether a replacement was begun and not finished."""
    return _named(path, PLAN).exists()


def finish(path: Path) -> None:
    """Do what is left of a replacement, if anything."""
    plan = _named(path, PLAN)
    try:
        todo = json.loads(plan.read_text())
    except FileNotFoundError:
        return
    staged, aside = Path(todo["staged"]), Path(todo["aside"])
    if staged.exists():
        private_folder(aside)
        for suffix in OLD:
            with suppress(FileNotFoundError):
                _named(path, suffix).replace(_named(aside / path.name, suffix))
        sync_folder(aside)
        staged.replace(path)
        sync_folder(path.parent)
        sync_folder(staged.parent)
    plan.unlink()
    sync_folder(path.parent)


def _named(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
