"""Embeds, in the background, movies that were written while an encoder was away."""

from __future__ import annotations

import contextvars
import hashlib
import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.request_context import background, current
from matinee.data.catalog import Catalog
from matinee.encoders.movie_texts import movie_texts
from matinee.engine.encoder_pool import OUTAGES, Encoders
from matinee.engine.missing_vectors import POSTER, TEXT
from matinee.engine.runtime import RequestView
from matinee.errors import MatineeError
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.snapshots.spaces import Space
from matinee.stores.base import MovieVector

log = logging.getLogger("matinee.engine")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds after the first failure, and at most; in between they double."""
IDLE = 5.0
"""Seconds between two looks for what other processes have left."""
CLOSING = 5.0
"""Seconds that a batch in progress may take when the engine is closed."""

Vectors = NDArray[np.float32]
Content = tuple[str, str | bytes]
"""A tag that changes whenever the content does, and the content: a text, or a picture's bytes."""


@dataclass(frozen=True)
class BacklogState:
    """Films that wait for an encoder that was away when they were written; they are embedded when it answers."""

    movies: Annotated[int, Field(description="Films that wait for one vector or two.")]
    texts: Annotated[int, Field(description="Films that wait for the vector of their text.")]
    posters: Annotated[int, Field(description="Films that wait for the vector of their poster.")]
    reason: Annotated[str | None, Field(description="Why they wait; null where none do.")]


class _Kind(Protocol):
    """What can wait."""

    space: str
    batch: int

    def ids(self, view: RequestView, only: Collection[str] | None = None) -> list[str]:
        """Movies that wait, all or those of the given ones."""
        ...

    def read(self, view: RequestView, ids: Sequence[str]) -> Mapping[str, Content]:
        """By movie: a tag that changes with its content, and the content; movies without one are left out."""
        ...

    def encode(self, encoders: Encoders, contents: Sequence[str | bytes], space: Space) -> Vectors:
        """Raw vectors, (n, n_raw)."""
        ...


class _Texts:
    """Records of the store."""

    space, batch = TEXT, 32

    def ids(self, view: RequestView, only: Collection[str] | None = None) -> list[str]:
        """See `_Kind`."""
        return list(view.missing_vectors.texts if only is None else view.missing_vectors.texts.intersection(only))

    def read(self, view: RequestView, ids: Sequence[str]) -> dict[str, Content]:
        """See `_Kind`."""
        movies = [movie for _, movie in view.runtime.store.movies(ids) if movie is not None]
        texts = movie_texts(Catalog.of(movies)) if movies else []
        return {movie.movie_id: (_digest(text), text) for movie, text in zip(movies, texts, strict=True)}

    def encode(self, encoders: Encoders, contents: Sequence[str | bytes], space: Space) -> Vectors:
        """See `_Kind`."""
        return encoders.texts([content for content in contents if isinstance(content, str)], space)


class _Posters:
    """Pictures in the poster store of this machine."""

    space, batch = POSTER, 8

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _store(self, view: RequestView) -> PosterStore:
        return PosterStore.of(self._settings, view.snapshot.manifest.dataset)

    def ids(self, view: RequestView, only: Collection[str] | None = None) -> list[str]:
        """See `_Kind`."""
        store, catalog = self._store(view), view.catalog
        candidates = view.missing_vectors.posters if only is None else view.missing_vectors.posters.intersection(only)
        return [
            movie_id
            for movie_id in candidates
            if catalog.find(movie_id) is not None and store.find(movie_id) is not None
        ]

    def read(self, view: RequestView, ids: Sequence[str]) -> dict[str, Content]:
        """See `_Kind`."""
        store = self._store(view)
        found: dict[str, Content] = {}
        for movie_id in ids:
            stored = store.find(movie_id)
            content = None if stored is None else store.read(stored)
            if stored is not None and content is not None:
                found[movie_id] = stored.tag, content[1]
        return found

    def encode(self, encoders: Encoders, contents: Sequence[str | bytes], space: Space) -> Vectors:
        """See `_Kind`."""
        return encoders.images([content for content in contents if isinstance(content, bytes)], space)


class Backlog:
    """Follows an engine: whatever process wrote a movie, and whenever, any process that runs may embed it.

    Several doing so at the same time is harmless: each takes some at random, and stores no vector of what another has
    embedded meanwhile. Thread-safe.

    Args:
        settings: the folder of the posters.
        encoders: asked for vectors.
        view: the state now.
    """

    def __init__(self, settings: Settings, encoders: Encoders, view: Callable[[], RequestView]) -> None:
        self._encoders, self._view = encoders, view
        self._kinds: tuple[_Kind, ...] = (_Texts(), _Posters(settings))
        self._problems: dict[str, MatineeError] = {}
        self._refused: dict[tuple[str, str], str] = {}
        """(space, movie id) → tag of a content that no encoder can read."""
        self._lock = threading.Lock()
        self._random = random.Random()  # the global one is for whoever seeds it
        self._thread: threading.Thread | None = None
        self._closed, self._woken = threading.Event(), threading.Event()

    # --- for those who write ----------------------------------------------------------------------------------
    def problem(self, space: str) -> MatineeError | None:
        """Why an encoder could not be asked the last time; None where it answered."""
        return self._problems.get(space)

    def failed(self, space: str, error: MatineeError) -> None:
        """An encoder could not be asked; who writes does not wait for it again until an attempt here succeeds."""
        self._problems[space] = error

    def holds(self, movie_ids: Collection[str]) -> bool:
        """Whether one of these movies waits."""
        view = self._view()
        return any(kind.ids(view, movie_ids) for kind in self._kinds)

    def state(self) -> BacklogState:
        """What waits now, in the whole store."""
        view = self._view()
        texts, posters = (self._waiting(kind, view) for kind in self._kinds)
        reason = None
        if texts or posters:
            problems = [self._problems.get(space) for space, ids in ((TEXT, texts), (POSTER, posters)) if ids]
            reasons = dict.fromkeys(str(problem) for problem in problems if problem is not None)
            reason = " ".join(reasons) or "They are being embedded."
        return BacklogState(len({*texts, *posters}), len(texts), len(posters), reason)

    # --- the thread -------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start embedding in the background, in the context of the caller; does nothing where that runs."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                run = contextvars.copy_context().run
                self._thread = threading.Thread(target=run, args=(self._run,), name="matinee-backlog", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Something waits."""
        self.start()
        self._woken.set()

    def close(self) -> None:
        """Stop; a batch in progress is finished, unless that takes long."""
        self._closed.set()
        self._woken.set()
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSING)

    def _run(self) -> None:
        caller = current.get()
        observe = None if caller is None else caller.observe
        failures = 0
        while not self._closed.is_set():
            self._woken.clear()
            with background(observe):
                embedded, failed = self._round()
            if failed:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10)) * self._random.uniform(0.5, 1.0)
                failures += 1
                self._closed.wait(pause)
                continue
            failures = 0
            if not embedded:
                self._woken.wait(IDLE * self._random.uniform(0.8, 1.2))

    def _round(self) -> tuple[int, bool]:
        """One batch of each kind: how many movies were embedded, and whether anything failed."""
        embedded, failed = 0, False
        for kind in self._kinds:
            before = self._problems.get(kind.space)
            try:
                done = self._embed(kind)
            except MatineeError as error:
                if self._closed.is_set():
                    return embedded, True
                if before is None or str(before) != str(error):
                    log.warning("Vectors of films (%s) wait: %s It is tried again.", kind.space, error)
                self._problems[kind.space] = error
                failed = True
                continue
            except Exception as error:  # a fault of ours must not end the thread, and with it all later attempts
                log.exception("Embedding films (%s) failed. It is tried again.", kind.space)
                self._problems[kind.space] = MatineeError(f"Embedding failed: {error!r}.", "The log says where.")
                failed = True
                continue
            self._problems.pop(kind.space, None)
            embedded += done
            if done:
                log.info("%d films that waited were embedded (%s).", done, kind.space)
        return embedded, failed

    def _waiting(self, kind: _Kind, view: RequestView) -> list[str]:
        ids = kind.ids(view)
        refused = [movie_id for movie_id in ids if (kind.space, movie_id) in self._refused]
        if not refused:
            return ids
        tags = kind.read(view, refused)
        still = {
            movie_id
            for movie_id in refused
            if movie_id not in tags or tags[movie_id][0] == self._refused[kind.space, movie_id]
        }
        return [movie_id for movie_id in ids if movie_id not in still]

    def _embed(self, kind: _Kind) -> int:
        """Embed some movies that wait; returns their number."""
        view = self._view()
        ids = self._waiting(kind, view)
        if not ids:
            return 0
        contents = kind.read(view, self._random.sample(ids, min(kind.batch, len(ids))))
        if not contents:
            return 0
        space = view.spaces[kind.space].space
        vectors = self._vectors(kind, contents, space)
        now = self._view()
        waits, read = set(kind.ids(now)), kind.read(now, list(vectors))
        vectors = {
            movie_id: vector
            for movie_id, vector in vectors.items()
            if movie_id in waits and movie_id in read and read[movie_id][0] == contents[movie_id][0]
        }
        if not vectors or now.runtime is not view.runtime:
            return 0
        store = view.runtime.store
        store.put_vectors(
            [MovieVector(movie_id, space.name, space.encoder, vector) for movie_id, vector in vectors.items()]
        )
        # A movie may have been written in the moment before: it waits again, as this vector lies over its new one.
        after = kind.read(now, list(vectors))
        for movie_id in vectors:
            if movie_id not in after or after[movie_id][0] != contents[movie_id][0]:
                store.delete_vector(movie_id, kind.space)
        return len(vectors)

    def _vectors(self, kind: _Kind, contents: Mapping[str, Content], space: Space) -> dict[str, Vectors]:
        """Vectors by movie; of movies whose content no encoder can read there are none, and they wait no more."""
        try:
            made = kind.encode(self._encoders, [content for _, content in contents.values()], space)
            return dict(zip(contents, made, strict=True))
        except OUTAGES:
            raise
        except MatineeError as error:
            if len(contents) > 1:
                found: dict[str, Vectors] = {}
                for movie_id, content in contents.items():
                    found |= self._vectors(kind, {movie_id: content}, space)
                return found
            ((movie_id, (tag, _)),) = contents.items()
            self._refused[kind.space, movie_id] = tag
            log.warning("The %s of the film %s cannot be embedded: %s", kind.space, movie_id, error)
            return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
