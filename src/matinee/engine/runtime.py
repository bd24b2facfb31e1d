"""What is being served: one snapshot, the store over it, and everything derived from the two.

A runtime follows the store: `sync` folds in what was written since, by any process. Readers take the immutable
`View` and work on it, so that a change in the middle of an answer cannot tear it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog, Movie
from matinee.data.vectors import FilmVectors
from matinee.encoders.film_texts import film_texts
from matinee.engine.merged_ratings import MergedRatings, Overlay
from matinee.engine.rating_counts import Stats, Tastes, star_steps
from matinee.engine.rerank import Rerankers
from matinee.engine.trending import Trend
from matinee.engine.updatable_spaces import CONTENT, UpdatableSpaces
from matinee.errors import UnknownModelError
from matinee.models.base import Model, Query
from matinee.settings import Settings
from matinee.snapshots import Snapshot
from matinee.stores.base import Changes, FilmVector, Store


@dataclass(frozen=True)
class View:
    """One consistent state of films and models.

    Attributes:
        movies_version: grows with every change of a film.
        catalog: the live films; its first rows are the snapshot's.
        models: the snapshot's, over the live films.
        stats: ratings per film.
        spaces: vectors of films; shared by all states, so ask them with a mask of this state's films.
        rerankers: what makes lists of scores, by catalogue; shared by all states.
    """

    snapshot: Snapshot
    movies_version: int
    catalog: Catalog
    models: dict[str, Model[Any]]
    stats: Stats
    spaces: UpdatableSpaces
    rerankers: Rerankers

    def model(self, name: str) -> Model[Any]:
        """A model by name.

        Raises:
            UnknownModelError: the snapshot has none of this name.
        """
        model = self.models.get(name)
        if model is None:
            raise UnknownModelError(name, list(self.models))
        return model


class Runtime:
    """A snapshot in service with the store over it. Safe to use from many threads."""

    def __init__(self, snapshot: Snapshot, store: Store) -> None:
        self.snapshot, self.store = snapshot, store
        self._lock = threading.Lock()
        self._seq = -1
        self._versions: dict[str, int] = {}
        self._everyone = 0
        self._erased: frozenset[str] = frozenset()
        self._overlay = Overlay(snapshot, store)
        self._view = View(
            snapshot,
            0,
            snapshot.catalog,
            dict(snapshot.models),
            Stats.of(snapshot.ratings).grown(len(snapshot.catalog)),
            UpdatableSpaces(snapshot.spaces, snapshot.models.get(CONTENT)),
            Rerankers(snapshot.dataset),
        )
        self.sync()

    # --- following the store ----------------------------------------------------------------------------------
    def sync(self) -> None:
        """See every write that was acknowledged before this call; microseconds where there was none."""
        if self.store.seq() != self._seq:
            with self._lock:
                if self.store.seq() != self._seq:
                    self._fold(self.store.changes(self._seq))

    def _fold(self, changes: Changes) -> None:
        view = self._view
        anew = not changes.complete or bool(changes.erased) or self._seq < 0
        if anew and changes.complete:
            changes = self.store.changes(-1)
        if anew:
            self._erased = self.store.erased_users()
        catalog, models, stats, version = view.catalog, view.models, view.stats, view.movies_version
        if changes.movies:
            only = None if anew else changes.movies
            held = self.store.movies(only)
            put = [movie for _, movie in held if movie is not None]
            removed = [movie_id for movie_id, movie in held if movie is None]
            stored = self.store.vectors(only)
            catalog = catalog.with_changes([*put, *_touched(catalog, put, stored)], removed)
            rows = catalog.rows(movie.movie_id for movie in put)
            view.spaces.change_encoded(catalog, _same_texts(self.snapshot.catalog, catalog, rows), stored)
            touched = np.union1d(rows, catalog.rows(vector.movie_id for vector in stored))
            touched = touched[touched >= 0]
            models = _grow(view.models, catalog, view.spaces.known(touched))
            view.spaces.change_content(models.get(CONTENT), catalog, touched)
            stats, version = stats.grown(len(catalog)), version + 1
        if anew:
            stats = self._base_stats(len(catalog))
        stats = stats.fold(changes.ratings, catalog, self.base_rating)
        self._view = replace(view, catalog=catalog, models=models, stats=stats, movies_version=version)
        if anew:
            # Whose data changed is not known for sure: let every user's version move.
            self._everyone = changes.seq
        for user_id in changes.users:
            self._versions[user_id] = changes.seq
        self._seq = changes.seq

    def _base_stats(self, n_items: int) -> Stats:
        stats = Stats.of(self.snapshot.ratings).grown(n_items)
        for user_id in self._erased:
            user = self.snapshot.ratings.find_user(user_id)
            if user is not None:
                rows, values, _ = self.snapshot.ratings.history(user)
                stats = stats.less(rows, values)
        return stats

    # --- reading ----------------------------------------------------------------------------------------------
    @property
    def view(self) -> View:
        """The state after the last `sync`."""
        return self._view

    def user_version(self, user_id: str) -> int:
        """Version of a user's data as of the last `sync`; grows with every change."""
        return max(self._versions.get(user_id, 0), self._everyone)

    def changed_users(self) -> frozenset[str]:
        """Users of whom the snapshot alone does not tell the truth, as of the last `sync`."""
        return frozenset(self._versions)

    @cached_property
    def tastes(self) -> Tastes:
        """Of the snapshot's users, whatever the store says about them; made on first use."""
        return Tastes.of(self.snapshot.ratings.indptr, self.snapshot.ratings.values)

    @cached_property
    def trend(self) -> Trend:
        """What is rated lately, of the snapshot's ratings; made on first use."""
        return Trend.of(self.snapshot.ratings)

    @cached_property
    def star_steps(self) -> NDArray[np.float64]:
        """The steps of the data's scale, increasing; made on first use."""
        return star_steps(self.snapshot.dataset.scale, self.snapshot.ratings.values)

    def effective(self, view: View) -> MergedRatings:
        """All effective ratings; the same object until a rating or a film changes, made on first use after that."""
        return self._overlay.over(view.catalog)

    def base_rating(self, user_id: str, movie_id: str) -> float | None:
        """The snapshot's rating, None where there is none or the user was erased."""
        found = self.base(user_id, movie_id)
        return None if found is None else found[0]

    def base(self, user_id: str, movie_id: str) -> tuple[float, int] | None:
        """Stars and time (`NO_TIME` where unknown) of the snapshot's rating, None as `base_rating`."""
        ratings, row = self.snapshot.ratings, self.snapshot.catalog.find_any(movie_id)
        user = ratings.find_user(user_id) if user_id not in self._erased else None
        if user is None or row is None:
            return None
        rows, values, times = ratings.history(user)
        place = int(np.searchsorted(rows, row))
        return (float(values[place]), int(times[place])) if place < len(rows) and rows[place] == row else None

    def history(self, user_id: str, view: View) -> Query:
        """A user's effective history over the films in service; empty where nothing is known."""
        overlay = self.store.user(user_id)
        user = None if overlay.erased else self.snapshot.ratings.find_user(user_id)
        found: dict[int, tuple[float, int]] = {}
        if user is not None:
            active = view.catalog.active
            if not overlay.ratings and bool(active.all()):
                return Query.of(self.snapshot.ratings, user)
            rows, values, times = self.snapshot.ratings.history(user)
            found = {
                row: (value, time)
                for row, value, time in zip(rows.tolist(), values.tolist(), times.tolist(), strict=True)
                if active[row]
            }
        for movie_id, rating in overlay.ratings.items():
            live = view.catalog.find(movie_id)
            if live is None:
                continue
            if rating.rating is None:
                found.pop(live, None)
            else:
                found[live] = (rating.rating, rating.timestamp)
        return query_of(found, user_id)

    def erased(self) -> frozenset[str]:
        """Users of whom the snapshot must not speak."""
        return self._erased


@dataclass(frozen=True, slots=True)
class RequestView:
    """What one request sees: a snapshot with the store over it at one moment. Taken once, and passed on."""

    runtime: Runtime
    view: View
    settings: Settings

    def validity(self, user_id: str | None = None) -> tuple[str, int, int]:
        """(snapshot id, movies' version, version of a user's data): what answers for this user depend on."""
        version = 0 if user_id is None else self.runtime.user_version(user_id)
        return self.runtime.snapshot.id, self.view.movies_version, version


def query_of(found: dict[int, tuple[float, int]], user_id: str | None = None) -> Query:
    """A query of film row → (stars, time)."""
    n = len(found)
    rows: NDArray[np.int64] = np.fromiter(found, dtype=np.int64, count=n)
    values = np.fromiter((pair[0] for pair in found.values()), dtype=np.float32, count=n)
    times = np.fromiter((pair[1] for pair in found.values()), dtype=np.int64, count=n)
    return Query(rows, values, times, user_id)


def _touched(catalog: Catalog, put: Sequence[Movie], stored: Sequence[FilmVector]) -> list[Movie]:
    """Films of which only a vector (a poster) changed, as they are: put again, models look at them anew."""
    known = {movie.movie_id for movie in put}
    rows = (catalog.find(vector.movie_id) for vector in stored if vector.movie_id not in known)
    return [catalog.movie(row) for row in rows if row is not None]


def _same_texts(old: Catalog, new: Catalog, rows: NDArray[np.int64]) -> dict[int, bool]:
    """For each row whether what an encoder reads of the film is the same in both catalogues."""
    known = rows[rows < len(old)]
    same = [before == after for before, after in zip(film_texts(old, known), film_texts(new, known), strict=True)]
    return dict.fromkeys(rows.tolist(), False) | dict(zip(known.tolist(), same, strict=True))


def _grow(models: dict[str, Model[Any]], catalog: Catalog, vectors: Mapping[str, FilmVectors]) -> dict[str, Model[Any]]:
    """The models over a grown catalogue; parts first, so that what is made of them shares them.

    Args:
        vectors: of the films that were added or edited, by space.
    """
    grown: dict[str, Model[Any]] = {}
    waiting = dict(models)
    while waiting:
        # Loading has seen to it that no part is missing, or made of its whole.
        for name in [name for name, model in waiting.items() if all(part in grown for part in model.parts)]:
            model = waiting.pop(name)
            grown[name] = (model.bind(grown) if model.parts else model).with_catalog(catalog, vectors)
    return {name: grown[name] for name in models}
