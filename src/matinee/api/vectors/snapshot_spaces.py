"""The spaces of the current snapshot with the store over it, followed by an engine."""

from __future__ import annotations

import threading

import numpy as np

from matinee._util.lazy import Lazy
from matinee.api.vectors.sources import OpenedSpaces
from matinee.api.vectors.space import Film, ServedSpace
from matinee.engine import Engine
from matinee.engine.runtime import Runtime
from matinee.errors import SnapshotError
from matinee.indexes.base import Mask
from matinee.posters.store import PosterStore
from matinee.settings import Settings

RETRY = 1.0
"""Seconds between two attempts to open an engine that could not be opened."""


class Snapshots:
    """A `SpaceSource` of the current snapshot's spaces, films written since included.

    Args:
        settings: folders; `vectors_space` names the spaces, separated by commas, `vectors_index` the kind of index.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = [name.strip() for name in settings.vectors_space.split(",") if name.strip()] or ["poster"]
        self._lock = threading.Lock()
        self._engine = Lazy(lambda: Engine.open(settings), RETRY)
        self._made: tuple[Runtime, OpenedSpaces] | None = None

    def look(self) -> OpenedSpaces | None:
        """See `SpaceSource`."""
        engine, made = self._engine.value, self._made
        if engine is None or made is None:
            return None
        return made[1] if engine.request_view().runtime is made[0] else None

    def open(self) -> OpenedSpaces:
        """See `SpaceSource`."""
        with self._lock:
            runtime = self._engine.get().request_view().runtime
            if self._made is None or self._made[0] is not runtime:
                self._made = runtime, self._spaces(runtime)
            return self._made[1]

    def warnings(self) -> list[str]:
        """See `SpaceSource`."""
        engine = self._engine.value
        return [] if engine is None else list(engine.warnings)

    def close(self) -> None:
        """See `SpaceSource`."""
        with self._lock:
            self._engine.close(Engine.close)
            self._made = None

    def _spaces(self, runtime: Runtime) -> OpenedSpaces:
        live, snapshot = runtime.view.spaces, runtime.snapshot
        missing = [name for name in self._names if name not in live]
        if missing:
            has = ", ".join(live.names()) or "none"
            raise SnapshotError(
                f"The snapshot {snapshot.id} has no space {missing[0]!r} (it has: {has}).",
                "Add posters (`matinee posters add FOLDER`) and train again."
                if missing[0] == "poster"
                else "Set MATINEE_VECTORS_SPACE to one that it has, or train again.",
            )
        store = PosterStore.of(self._settings, snapshot.manifest.dataset)
        spaces = {}
        for name in self._names:
            space = live[name]
            spaces[name] = ServedSpace(
                name,
                space.index(self._settings.vectors_index),
                lambda item: _film(runtime, store, item),
                space.space.projection,
                space.space.encoder,
                snapshot.id,
                lambda item: _picture(runtime, store, item),
                lambda: _removed(runtime),
            )
        return OpenedSpaces(spaces, snapshot.id)


def _film(runtime: Runtime, store: PosterStore, item: int) -> Film | None:
    catalog = runtime.view.catalog
    if not 0 <= item < len(catalog) or not catalog.active[item]:
        return None
    movie_id = catalog.column("movie_id")[item]
    poster = f"/items/{item}/poster" if store.find(movie_id) is not None else None
    return Film(movie_id, catalog.column("title")[item], catalog.column("year")[item], poster)


def _picture(runtime: Runtime, store: PosterStore, item: int) -> tuple[bytes, str] | None:
    film = _film(runtime, store, item)
    stored = None if film is None else store.find(film.movie_id)
    content = None if stored is None else store.read(stored)
    return None if content is None else (content[1], content[0].media_type)


def _removed(runtime: Runtime) -> Mask | None:
    active = runtime.view.catalog.active
    removed: Mask = np.logical_not(active)
    return removed if removed.any() else None
