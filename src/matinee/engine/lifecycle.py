"""Which snapshot is in service: opening, promoting, rolling back, following other processes."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Self

from matinee.engine.encoder_pool import Encoders
from matinee.engine.recommend import default_name
from matinee.engine.runtime import Runtime, View
from matinee.errors import MatineeError, SnapshotError
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.stores import Store, open_store

log = logging.getLogger("matinee.engine")


class Serving:
    """The serving half of `Engine`: one runtime, swapped whole when the pointer moves."""

    def __init__(self, settings: Settings, runtime: Runtime, shelf: SnapshotRegistry) -> None:
        self.settings = settings
        self._shelf = shelf
        self._stamp = shelf.stamp()
        self._runtime = runtime
        self._warnings: tuple[str, ...] = ()
        self._switching = threading.Lock()
        self.encoders = Encoders(settings)
        self._left: list[Store] = []

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """Open the current snapshot and the store of the settings' data folder.

        Raises:
            SnapshotError: there is no snapshot, or the current one is damaged and there is no sound one before
                it (where there is, that one is served, and `warnings` says so).
        """
        settings = settings or Settings()
        shelf = SnapshotRegistry(settings.snapshots_dir)
        stamp = shelf.stamp()  # before the pointer is read: what moves in between is noticed later, not missed
        current = shelf.current()
        if current is None:
            raise SnapshotError(
                f"There is no snapshot in {settings.snapshots_dir}.", "Make one with `matinee train` or `make demo`."
            )
        snapshot, warnings = _load_sound(shelf, settings, current)
        engine = cls(settings, Runtime(snapshot, open_store(settings, snapshot.manifest.dataset)), shelf)
        engine._stamp, engine._warnings = stamp, warnings
        return engine

    def close(self) -> None:
        """Close the stores."""
        for store in (*self._left, self._runtime.store):
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what is served -------------------------------------------------------------------------------------
    @property
    def snapshot_id(self) -> str:
        """Id of the snapshot in service."""
        return self._runtime.snapshot.id

    @property
    def dataset_name(self) -> str:
        """Name of the data set that is served."""
        return self._runtime.snapshot.manifest.dataset

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without stopping the service, newest last."""
        return self._warnings

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest number of stars."""
        low, high = self._runtime.snapshot.dataset.scale
        return low, high

    def _current(self) -> tuple[Runtime, View]:
        """Runtime and view after following the pointer and the store."""
        if self._shelf.stamp() != self._stamp:
            self._follow_pointer()
        runtime = self._runtime
        runtime.sync()
        return runtime, runtime.view

    def revision(self) -> tuple[str, int]:
        """(snapshot id, films' version): changes whenever answers about films may change; microseconds."""
        runtime, view = self._current()
        return runtime.snapshot.id, view.movies_version

    def user_version(self, user_id: str) -> int:
        """The version of a user's data, microseconds, sees other processes' writes at once."""
        runtime = self._runtime
        runtime.sync()
        return runtime.user_version(user_id)

    def validity(self, user_id: str | None) -> tuple[str, int, int]:
        """`revision` and `user_version` (0 without a user) by one look at the store."""
        runtime, view = self._current()
        version = runtime.user_version(user_id) if user_id is not None else 0
        return runtime.snapshot.id, view.movies_version, version

    def check(self) -> None:
        """Raise unless a model is loaded and the store answers (readiness)."""
        default_name(self._runtime.view, self.settings)
        self._runtime.store.ping()

    def models(self) -> list[dict[str, Any]]:
        """Name, config, metrics, seconds to fit, bytes, of every model in service; `default` marks one."""
        _, view = self._current()
        default = default_name(view, self.settings)
        entries = view.snapshot.manifest.models
        return [
            {"name": name, "default": name == default, "predicts_stars": view.models[name].predicts_stars}
            | entry.model_dump(mode="json")
            for name, entry in entries.items()
        ]

    def snapshot_ids(self) -> list[str]:
        """Ids of all snapshots, sound or not, newest first."""
        return self._shelf.ids()

    def snapshots(self) -> list[dict[str, Any]]:
        """Id, created (ISO time), current, dataset, sizes, metrics, watermark of each snapshot, newest first."""
        try:
            current = self._shelf.current()
        except SnapshotError:  # the pointer is damaged: this is the list to promote one of
            current = None
        return [
            {
                "id": manifest.id,
                "current": manifest.id == current,
                "served": manifest.id == self.snapshot_id,
                **manifest.model_dump(
                    mode="json",
                    include={"created", "dataset", "n_users", "n_items", "n_ratings", "watermark", "metrics"},
                ),
            }
            for manifest in self._shelf.list()
        ]

    def promote(self, snapshot_id: str) -> str:
        """Verify a snapshot, serve it, and return its id; the old one serves until the new one is loaded.

        The stamp stays as it was, so that the next read looks at the pointer: another process may have moved it on.
        """
        with self._switching:
            snapshot = Snapshot.load(self._shelf.root, snapshot_id, self.settings.verify_on_load)
            self._shelf.promote(snapshot_id, verify=False)
            self._serve(snapshot)
        return snapshot_id

    def rollback(self) -> str:
        """Serve the snapshot promoted before the current one, and return its id."""
        with self._switching:
            snapshot_id = self._shelf.rollback()  # which has compared the hashes
            self._serve(Snapshot.load(self._shelf.root, snapshot_id, "size"))
        return snapshot_id

    def _serve(self, snapshot: Snapshot) -> None:
        old = self._runtime
        same = old.snapshot.manifest.dataset == snapshot.manifest.dataset
        if not same:
            self._left.append(old.store)  # requests may still use it
        self._runtime = Runtime(snapshot, old.store if same else open_store(self.settings, snapshot.manifest.dataset))
        self._warnings = ()  # they spoke of what was served, or not served, before

    def _follow_pointer(self) -> None:
        """Load, in a thread, the snapshot that another process promoted; the old one serves meanwhile."""
        if not self._switching.acquire(blocking=False):
            return
        try:
            stamp = self._shelf.stamp()
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
            current = self._shelf.current()
            if current is not None and current == self.snapshot_id:
                self._warnings = ()
            elif current is not None:
                self._serve(Snapshot.load(self._shelf.root, current, self.settings.verify_on_load))
        except MatineeError as error:
            self._warn(f"The promoted snapshot cannot be served, the old one stays: {error}")
        finally:
            self._switching.release()

    def _warn(self, text: str) -> None:
        log.warning(text)
        self._warnings = (*self._warnings, text)[-20:]


def _load_sound(shelf: SnapshotRegistry, settings: Settings, current: str) -> tuple[Snapshot, tuple[str, ...]]:
    """The current snapshot, or the newest sound one promoted before it, and what to warn of."""
    try:
        return Snapshot.load(shelf.root, current, settings.verify_on_load), ()
    except SnapshotError as error:
        for earlier in reversed(shelf.previous()):
            try:
                snapshot = Snapshot.load(shelf.root, earlier, settings.verify_on_load)
            except SnapshotError:
                continue
            warning = f"{error} The snapshot before it, {earlier}, is served instead."
            log.warning(warning)
            return snapshot, (warning,)
        raise
