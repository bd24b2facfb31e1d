"""Whether something that a process opened can be used: not once it is closed, nor in another process after a fork."""

from __future__ import annotations

import os

from matinee.errors import StoreError


class Lifetime:
    """From opening to closing.

    Attributes:
        over: it was closed.
    """

    def __init__(self) -> None:
        self.over = False
        self._pid = os.getpid()

    def check(self) -> None:
        """Raise StoreError where it can no longer be used."""
        if self.over:
            raise StoreError("The store is closed.", "Open it again.")
        if self._pid != os.getpid():
            raise StoreError("The store was opened before this process was forked.", "Open it again in the child.")

    def end(self) -> bool:
        """Close it. False in a forked process, which must leave the connections to its parent."""
        self.over = True
        return self._pid == os.getpid()
