"""Which snapshot is in service: opening, promoting, rolling back, following other processes."""

from __future__ import annotations

import logging
import threading
from typing import Any, Self

from matinee.engine.recommend import default_name
from matinee.engine.runtime import Runtime, View
from matinee.errors import MatineeError, SnapshotError
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.stores import Store, open_store

log = logging.getLogger("matinee.engine")


class Lifecycle:
    """One runtime, replaced as a whole when the pointer of the registry moves. Thread-safe.

    Attributes:
        warnings: what went wrong without stopping the service, newest last.
    """

    def __init__(
        self, settings: Settings, runtime: Runtime, registry: SnapshotRegistry, stamp: object, warnings: tuple[str, ...]
    ) -> None:
        self.settings, self.registry, self.warnings = settings, registry, warnings
        self._stamp = stamp
        self._runtime = runtime
        self._switching = threading.Lock()
        self._retired: list[Store] = []

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """See `Engine.open`."""
        registry = SnapshotRegistry(settings.snapshots_dir)
        stamp = registry.stamp()  # before the pointer is read: what moves in between is noticed later, not missed
        current = registry.current()
        if current is None:
            raise SnapshotError(
                f"There is no snapshot in {settings.snapshots_dir}.", "Make one with `matinee train` or `make demo`."
            )
        snapshot, warnings = _load_sound(registry, settings, current)
        runtime = Runtime(snapshot, open_store(settings, snapshot.manifest.dataset))
        return cls(settings, runtime, registry, stamp, warnings)

    def close(self) -> None:
        """Close the stores."""
        for store in (*self._retired, self._runtime.store):
            store.close()

    @property
    def runtime(self) -> Runtime:
        """The runtime in service, as of the last look."""
        return self._runtime

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot in service."""
        return self._runtime.snapshot

    def current(self) -> tuple[Runtime, View]:
        """Runtime and view after following the pointer and the store."""
        if self.registry.stamp() != self._stamp:
            self._follow_pointer()
        runtime = self._runtime
        runtime.sync()
        return runtime, runtime.view

    def check(self) -> None:
        """Raise unless a model is loaded and the store answers (readiness)."""
        default_name(self._runtime.view, self.settings)
        self._runtime.store.ping()

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
                "served": manifest.id == self.snapshot.id,
                **manifest.model_dump(
                    mode="json",
                    include={"created", "dataset", "n_users", "n_items", "n_ratings", "watermark", "metrics"},
                ),
            }
            for manifest in self.registry.list()
        ]

    def promote(self, snapshot_id: str) -> str:
        """Verify a snapshot, serve it, and return its id; the old one serves until the new one is loaded.

        The stamp stays as it was, so that the next read looks at the pointer: another process may have moved it on.
        """
        with self._switching:
            snapshot = Snapshot.load(self.registry.root, snapshot_id, self.settings.verify_on_load)
            self.registry.promote(snapshot_id, verify=False)
            self._serve(snapshot)
        return snapshot_id

    def rollback(self) -> str:
        """Serve the snapshot promoted before the current one, and return its id."""
        with self._switching:
            snapshot_id = self.registry.rollback()  # which has compared the hashes
            self._serve(Snapshot.load(self.registry.root, snapshot_id, "size"))
        return snapshot_id

    def _serve(self, snapshot: Snapshot) -> None:
        old = self._runtime
        same = old.snapshot.manifest.dataset == snapshot.manifest.dataset
        if not same:
            self._retired.append(old.store)  # requests may still use it
        self._runtime = Runtime(snapshot, old.store if same else open_store(self.settings, snapshot.manifest.dataset))
        self.warnings = ()  # they spoke of what was served, or not served, before

    def _follow_pointer(self) -> None:
        """Load, in a thread, the snapshot that another process promoted; the old one serves meanwhile."""
        if not self._switching.acquire(blocking=False):
            return
        try:
            stamp = self.registry.stamp()
            if stamp == self._stamp:
                self._switching.release()
                return
            self._stamp = stamp
            threading.Thread(target=self._load_current, name="matinee-promote", daemon=True).start()
        except BaseException:
            self._switching.release()
            raise

    def _load_current(self) -> None:
        try:
            current = self.registry.current()
            if current is not None and current == self.snapshot.id:
                self.warnings = ()
            elif current is not None:
                self._serve(Snapshot.load(self.registry.root, current, self.settings.verify_on_load))
        except MatineeError as error:
            self._warn(f"The promoted snapshot cannot be served, the old one stays: {error}")
        finally:
            self._switching.release()

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.warnings = (*self.warnings, text)[-20:]


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
