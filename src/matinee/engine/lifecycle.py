"""Which snapshot is in service: opening, promoting, rolling back, following other processes."""

from __future__ import annotations

import logging
import threading
import weakref
from time import monotonic
from typing import Any

from matinee._util.allocator import release
from matinee.engine import prepared as prepared_snapshots
from matinee.engine.catalog_cache import Rerankers
from matinee.engine.runtime import RequestView, Runtime
from matinee.errors import MatineeError, SnapshotError
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.snapshots.snapshot import cut_short
from matinee.stores import Store, open_store

log = logging.getLogger("matinee.engine")
LOOK_SECONDS = 1.0
"""Between two looks at the sizes of the files in service."""


class Lifecycle:
    """Holds the runtime in service and swaps it whole when the pointer moves. Thread-safe.

    Attributes:
        registry: the snapshots that there are.
        runtime: in service now.
        warnings: what went wrong without stopping the service, newest last.
    """

    def __init__(self, settings: Settings) -> None:
        """Open the current snapshot and its store, see `Engine.open`."""
        self._settings = settings
        self.registry = SnapshotRegistry(settings.snapshots_dir)
        self._stamp = self.registry.stamp()  # before the pointer is read: what moves in between is noticed later
        current = self.registry.current()
        if current is None:
            raise SnapshotError(
                f"There is no snapshot in {settings.snapshots_dir}.", "Make one with `matinee train` or `make demo`."
            )
        self.warnings: tuple[str, ...] = ()
        if prepared := prepared_snapshots.take(self.registry, current):
            snapshot, rerankers = prepared
        else:
            snapshot, self.warnings = _load_sound(self.registry, settings, current)
            rerankers = None
        self.runtime = _over_store(snapshot, settings, rerankers)
        self._switching = threading.Lock()
        self._look_at = monotonic() + LOOK_SECONDS
        self._damaged = ""
        self._again = False  # a promotion could not be followed, by no fault of the snapshot
        self._retired: list[Store] = []

    def close(self) -> None:
        """Close the stores."""
        for store in (*self._retired, self.runtime.store):
            store.close()

    def view(self) -> RequestView:
        """What a request sees now: follows the pointer and the store first; microseconds where neither moved."""
        if self.registry.stamp() != self._stamp or monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_SECONDS
            self._look()
        return self.runtime.sync()

    def snapshots(self) -> list[dict[str, Any]]:
        """See `Engine.snapshots`."""
        try:
            current = self.registry.current()
        except SnapshotError:  # the pointer is damaged: this is the list to promote one of
            current = None
        return [
            {
                "id": manifest.id,
                "current": manifest.id == current,
                "served": manifest.id == self.runtime.snapshot.id,
                **manifest.model_dump(
                    mode="json",
                    include={"created", "dataset", "n_users", "n_items", "n_ratings", "metrics"},
                ),
                "watermark": manifest.newest_rating,
            }
            for manifest in self.registry.list()
        ]

    def promote(self, snapshot_id: str) -> str:
        """See `Engine.promote`.

        The stamp stays as it was, so that the next read looks at the pointer: another process may have moved it on.
        """
        with self._switching:
            snapshot = Snapshot.load(self.registry.root, snapshot_id, self._settings.verify_on_load)
            self.registry.promote(snapshot_id, verify=False)
            self._serve(snapshot)
        return snapshot_id

    def rollback(self) -> str:
        """See `Engine.rollback`."""
        with self._switching:
            snapshot_id = self.registry.rollback()  # which has compared the hashes
            self._serve(Snapshot.load(self.registry.root, snapshot_id, "size"))
        return snapshot_id

    def _serve(self, snapshot: Snapshot, *warnings: str, at_once: bool = False) -> None:
        old = self.runtime
        same = old.snapshot.manifest.dataset == snapshot.manifest.dataset
        runtime = Runtime(snapshot, old.store, self._settings) if same else _over_store(snapshot, self._settings)
        if not at_once:  # requests go on with the snapshot before
            runtime.await_recommender()
        self.warnings = warnings  # those before were about the snapshot before; nobody sees the new one without them
        self.runtime = runtime
        if not same:
            self._retired.append(old.store)  # requests may still use it
        release(weakref.ref(old))

    def settle(self, seconds: float) -> None:
        """See `Engine.settle`."""
        if self._switching.acquire(timeout=seconds):
            try:
                self._follow()  # where nobody does yet: who waits here may have kept the look from being taken
            finally:
                self._switching.release()

    def _look(self) -> None:
        """Look, in a thread, at the files in service and at the pointer; what is in service serves meanwhile."""
        if not self._switching.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._looks, name="matinee-promote", daemon=True).start()
        except BaseException:
            self._switching.release()
            raise

    def _looks(self) -> None:
        try:
            self._leave_damaged()
            if self._again:
                self._load_current()
            self._follow()
        finally:
            self._switching.release()

    def _follow(self) -> None:
        stamp = self.registry.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._load_current()

    def _load_current(self) -> None:
        """Serve the snapshot that another process promoted."""
        self._again = False
        try:
            current = self.registry.current()
            if current is not None and current == self.runtime.snapshot.id:
                self.warnings = ()
            elif current is not None:
                self._serve(Snapshot.load(self.registry.root, current, self._settings.verify_on_load))
        except MatineeError as error:
            self._warn(f"The promoted snapshot cannot be served, the old one stays: {error}")
        except Exception as error:  # of this moment, and not of its files: the next look tries again
            self._again = True
            self._warn(f"The promoted snapshot could not be loaded yet, the old one stays: {error!r}")

    def _leave_damaged(self) -> None:
        """Serve another snapshot where a file of this one was cut short: its map reads zeros, or ends the process."""
        snapshot = self.runtime.snapshot
        if self._damaged == snapshot.id:
            return
        path = cut_short(self.registry.root / snapshot.id, snapshot.manifest)
        if path is None:
            return
        self._damaged = snapshot.id
        what = f"{path} was cut short while snapshot {snapshot.id} was served."
        try:
            sound, _ = _load_sound(self.registry, self._settings, self.registry.current() or snapshot.id)
        except MatineeError as error:
            self._warn(f"{what} There is no other: {error}")
            return
        warning = f"{what} Snapshot {sound.id} is served instead."
        log.warning(warning)
        self._serve(sound, warning, at_once=True)

    def _warn(self, text: str) -> None:
        if text in self.warnings[-1:]:  # at the next look, once more
            return
        log.warning(text)
        self.warnings = (*self.warnings, text)[-20:]


def _over_store(snapshot: Snapshot, settings: Settings, rerankers: Rerankers | None = None) -> Runtime:
    """A snapshot with its store, which is closed where it cannot be read."""
    store = open_store(settings, snapshot.manifest.dataset)
    try:
        return Runtime(snapshot, store, settings, rerankers)
    except BaseException:
        store.close()
        raise


def _load_sound(registry: SnapshotRegistry, settings: Settings, current: str) -> tuple[Snapshot, tuple[str, ...]]:
    """The current snapshot, or the newest sound one promoted before it, and what to warn of."""
    try:
        return Snapshot.load(registry.root, current, settings.verify_on_load), ()
    except SnapshotError as error:
        for earlier in reversed(registry.previous()):
            try:
                snapshot = Snapshot.load(registry.root, earlier, settings.verify_on_load)
            except SnapshotError:
                continue
            warning = f"{error} The snapshot before it, {earlier}, is served instead."
            log.warning(warning)
            return snapshot, (warning,)
        raise
