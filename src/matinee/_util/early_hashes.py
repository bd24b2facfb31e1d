"""Hashes of files that will be asked for: made in threads, while what will ask for them is still being imported.

Hashing needs no interpreter, and imports little else, so that a start of two processors does both at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from matinee._util.atomic_files import file_hash, file_stamp
from matinee._util.processors import processor_count

MOST_THREADS = 4
"""Files that are hashed at the same time, at most."""


class _Early:
    """A hash in the making; `digest` is None where it could not be made."""

    def __init__(self, path: Path) -> None:
        self.path, self.done = path, threading.Event()
        self.stamp: object = None
        self.digest: str | None = None

    def make(self) -> None:
        try:
            with suppress(OSError):
                stamp = file_stamp(self.path)
                self.stamp, self.digest = stamp, file_hash(self.path)
        finally:
            self.done.set()


_begun: dict[str, _Early] = {}
_threads: list[threading.Thread] = []


def begin(paths: Sequence[Path]) -> None:
    """Begin to hash files, the first ones first; whoever asks for one with `hash_of` gets it."""
    queue: SimpleQueue[_Early] = SimpleQueue()
    for path in paths:
        _begun[os.fspath(path)] = early = _Early(path)
        queue.put(early)
    for _ in range(min(processor_count(), MOST_THREADS, len(paths))):
        # Daemons: a service that cannot start ends at once.
        thread = threading.Thread(target=_work, args=(queue,), name="matinee-hash", daemon=True)
        thread.start()
        _threads.append(thread)


def hash_of(path: Path) -> str:
    """See `file_hash`; once for each file that was begun early, that one, where the file is still the same.

    Raises:
        OSError: it cannot be read.
    """
    early = _begun.pop(os.fspath(path), None)
    if early is not None:
        early.done.wait()
        if early.digest is not None and early.stamp == file_stamp(path):
            return early.digest
    return file_hash(path)


def finish() -> None:
    """Wait until no thread hashes any more; what nobody has asked for is forgotten."""
    while _threads:
        _threads.pop().join()
    _begun.clear()


def _work(queue: SimpleQueue[_Early]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait().make()
