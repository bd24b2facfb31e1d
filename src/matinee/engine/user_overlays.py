"""What the store says of users, kept while it holds: a list for somebody with thousands of movies reads them once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.data.catalog import Catalog
from matinee.stores.base import State, Store, UserOverlay

MAX_KEPT = 200_000
"""Ratings and states of all users that are kept, at most: some tens of megabytes."""


class HeldUser:
    """What the store says of one user as of a sequence number, or later."""

    def __init__(self, sequence: int, overlay: UserOverlay) -> None:
        self.sequence, self.overlay = sequence, overlay
        self.size = 1 + len(overlay.ratings) + sum(map(len, overlay.states.values()))
        self._rows: tuple[ref[Catalog], dict[State, NDArray[np.int64]]] | None = None

    def rows(self, catalog: Catalog, state: State) -> NDArray[np.int64]:
        """Rows of the movies in service that have a state."""
        held = self._rows
        if held is None or held[0]() is not catalog:
            held = self._rows = ref(catalog), {}
        rows = held[1].get(state)
        if rows is None:
            rows = catalog.rows(self.overlay.states.get(state, ()))
            rows = held[1][state] = rows[rows >= 0]
        return rows


NOTHING = HeldUser(0, UserOverlay())


class UserOverlays:
    """The least recently asked for is forgotten first. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._users: OrderedDict[str, HeldUser] = OrderedDict()
        self._size = 0

    def get(self, user_id: str, changed: int, sequence: Callable[[], int]) -> HeldUser:
        """What the store says of a user.

        Args:
            changed: sequence number of the user's last change that must be in it.
            sequence: the store's sequence number now, or an earlier one.
        """
        with self._lock:
            held = self._users.get(user_id)
            if held is not None and held.sequence >= changed:
                self._users.move_to_end(user_id)
                return held
        now = sequence()  # before reading, so that what is read is no older
        with stage("store"):
            held = HeldUser(now, self._store.user(user_id))
        with self._lock:
            before = self._users.pop(user_id, None)
            self._size += held.size - (0 if before is None else before.size)
            self._users[user_id] = held
            while self._size > MAX_KEPT and len(self._users) > 1:
                _, gone = self._users.popitem(last=False)
                self._size -= gone.size
        return held
