"""What is being served: one snapshot, the store over it, and everything derived from the two.

A runtime follows the store: `sync` folds in what was written since, by any process. Each request takes one immutable
`RequestView` and works on that, so that a write in the middle of an answer cannot tear it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.data.catalog import Catalog, Movie
from matinee.data.ratings import NO_TIME
from matinee.data.vectors import MovieVectors
from matinee.encoders.movie_texts import movie_texts
from matinee.engine.catalog_cache import Rerankers
from matinee.engine.filters import EVERYTHING, Filter, parse, subsets_of
from matinee.engine.merged_ratings import MergedRatings, Overlay
from matinee.engine.missing_vectors import MissingVectors
from matinee.engine.rating_counts import AppliedRatings, Stats, Tastes, star_steps
from matinee.engine.remote_models import served_models
from matinee.engine.trending import Trend
from matinee.engine.types import Ages
from matinee.engine.updatable_spaces import CONTENT, UpdatableSpaces
from matinee.engine.user_overlays import NOTHING, HeldUser, UserOverlays
from matinee.errors import ServiceError, UnknownModelError, UnknownUserError
from matinee.indexes.filter_cache import FilterCache
from matinee.models.base import Model, Query, Subset
from matinee.remote.opening import open_recommender
from matinee.remote.recommender import State as Served
from matinee.settings import Settings
from matinee.snapshots import Snapshot
from matinee.stores.base import Changes, MovieVector, Store

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RequestView:
    """What one request sees: one consistent state of movies and models, taken once, which later writes leave alone.

    Attributes:
        runtime: that it was taken from.
        settings: limits and defaults.
        movies_version: grows with every change of a movie.
        catalog: the movies in service; its first rows are the snapshot's.
        models: the snapshot's, over this catalog.
        stats: ratings per movie.
        spaces: vectors of movies; shared by all views, so search them with a mask of this view's movies.
        rerankers: by catalog; shared by all views.
        sequence: the store's sequence number up to which it is included.
        missing_vectors: movies that lack a vector.
    """

    runtime: Runtime
    settings: Settings
    snapshot: Snapshot
    movies_version: int
    catalog: Catalog
    models: dict[str, Model[Any]]
    stats: Stats
    spaces: UpdatableSpaces
    rerankers: Rerankers
    missing_vectors: MissingVectors
    sequence: int = -1

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest number of stars."""
        return self.snapshot.dataset.scale

    def model(self, name: str) -> Model[Any]:
        """A model by name.

        Raises:
            UnknownModelError: the snapshot has none of this name.
        """
        model = self.models.get(name)
        if model is None:
            raise UnknownModelError(name, list(self.models))
        return model

    def default_model(self) -> str:
        """Name of the settings' default model, or of the snapshot's where it lacks that one.

        Raises:
            UnknownModelError: the snapshot has neither.
        """
        for name in (self.settings.default_model, self.snapshot.manifest.default_model):
            if name in self.models:
                return name
        raise UnknownModelError(self.settings.default_model, list(self.models))

    def allowed(self, filter: str | Filter | None = None) -> NDArray[np.bool_]:
        """Movies in service that a filter allows, (n_items,), a fresh array; all of them without a filter.

        Raises:
            FilterError: the filter does not parse.
        """
        return self.subset(filter).mask.copy()

    def subset(self, filter: str | Filter | None = None) -> Subset:
        """Like `allowed`, read-only: the same object as long as no movie changes, and no rating that it reads.

        Raises:
            FilterError: the filter does not parse.
        """
        parsed = parse(filter, self.settings.max_filter) if isinstance(filter, str) else filter or EVERYTHING
        return subsets_of(self.catalog).of(parsed, self.catalog, self.stats)

    def user_version(self, user_id: str) -> int:
        """Version of a user's data; grows with every change."""
        return self.runtime.user_version(user_id)

    def validity(self, user_id: str | None = None) -> tuple[str, int, int]:
        """What an answer computed from this view depends on, see `Engine.validity`; take it before computing."""
        return self.snapshot.id, self.movies_version, 0 if user_id is None else self.user_version(user_id)

    def ratings(self) -> MergedRatings:
        """All effective ratings of the movies in service; the same object until a rating or a movie changes."""
        return self.runtime.merged_ratings(self.catalog)

    def history(self, user_id: str, held: HeldUser | None = None) -> Query:
        """A user's effective history over the movies in service; empty where nothing is known.

        Args:
            held: what `held_user` says, where it is there already.
        """
        ratings, active = self.snapshot.dataset.ratings, self.catalog.active
        overlay = (held or self.held_user(user_id)).overlay
        user = None if overlay.erased else ratings.find_user(user_id)
        merged: dict[int, tuple[float, int]] = {}
        if user is not None:
            rows, values, times = ratings.history(user)
            as_trained = not overlay.ratings or self.runtime.is_as_trained(user_id)
            if as_trained and bool(active.all()):
                return Query(rows.astype(np.int64), values, times, user_id)
            merged = {
                row: (value, time)
                for row, value, time in zip(rows.tolist(), values.tolist(), times.tolist(), strict=True)
                if active[row]
            }
        for movie_id, rating in overlay.ratings.items():
            row = self.catalog.find(movie_id)
            if row is None:
                continue
            if rating.rating is None:
                merged.pop(row, None)
            else:
                merged[row] = (rating.rating, rating.timestamp)
        return query_of(merged, user_id)

    def held_user(self, user_id: str) -> HeldUser:
        """What the store holds about a user."""
        return self.runtime.held_user(user_id)

    def known_history(self, user_id: str) -> Query:
        """A user's history.

        Raises:
            UnknownUserError: the user has no effective rating.
        """
        query = self.history(user_id)
        if not len(query):
            raise UnknownUserError(user_id)
        return query


class Runtime:
    """A snapshot in service with the store over it. Safe to use from many threads.

    Args:
        rerankers: of the snapshot, where there are some already.

    Raises:
        ServiceError: the address of the recommender service is no web address.
    """

    def __init__(
        self, snapshot: Snapshot, store: Store, settings: Settings, rerankers: Rerankers | None = None
    ) -> None:
        self.snapshot, self.store = snapshot, store
        self._recommender = open_recommender(settings)
        self._fitted = dict(snapshot.models)
        self._lock = threading.Lock()
        self._seq = -1
        self._versions: dict[str, int] = {}
        self._everyone = 0
        self._erased = NOBODY
        self._assumed: int | None = None  # up to there the store was not read: the snapshot holds the same
        self._applied = AppliedRatings()
        self._overlay = Overlay(snapshot, store)
        self._users = UserOverlays(store)
        self._view = RequestView(
            self,
            settings,
            snapshot,
            0,
            snapshot.catalog,
            self._served_models(snapshot.catalog, -1),
            Stats.of(snapshot).grown(len(snapshot.catalog)),
            UpdatableSpaces(snapshot.spaces, snapshot.models.get(CONTENT), FilterCache(settings.filter_cache)),
            rerankers or Rerankers(snapshot.ratings.counts, lambda: snapshot.star_scale),
            MissingVectors(),
        )
        self.sync()

    # --- following the store ----------------------------------------------------------------------------------
    def sync(self) -> RequestView:
        """The state with every write that was acknowledged before this call; microseconds where there was none."""
        if self.store.seq() != self._seq:
            with self._lock, stage("store"):
                changes, assumed = self._changes()
                if changes.seq != self._seq:  # else another thread has folded them in
                    self._overlay.take(self._seq, changes, begin=assumed is not None)
                    self._fold(changes)
                    self._assumed = assumed
        return self._view

    def _changes(self) -> tuple[Changes, int | None]:
        """What to fold in, and up to which sequence number the snapshot is taken to hold what the store does.

        At the start only what came after the training is read, where the store knows the snapshot's mark and its log
        reaches back to it; else, and with the number None, all that the store holds.
        """
        manifest = self.snapshot.manifest
        if self._seq >= 0:
            changes = self.store.changes(self._seq)
            left_out = chain(self._applied.left_out, () if self._assumed is None else manifest.left_out)
            if not changes.complete or not self._brings(changes, left_out):
                return changes, self._assumed if changes.complete else None
        begun = self.store.since_mark(manifest.mark) if manifest.mark else None
        if begun is None or self._brings(begun, manifest.left_out):
            return self.store.changes(-1), None
        # Of each rating the last change, as the whole content has it.
        last = {(change.user_id, change.movie_id): change for change in begun.ratings}
        return replace(begun, ratings=tuple(last.values())), manifest.watermark

    def _brings(self, changes: Changes, left_out: Iterable[str]) -> bool:
        """Whether a movie comes that the counts lack ratings of, which were stored before."""
        written = changes.movies.intersection(left_out) if changes.movies else NOBODY
        return bool(written) and any(movie is not None for _, movie in self.store.movies(written))

    def _fold(self, changes: Changes) -> None:
        view = self._view
        rebuild = not changes.complete
        catalog, fitted, stats, version = view.catalog, self._fitted, view.stats, view.movies_version
        missing = MissingVectors() if rebuild else view.missing_vectors
        if changes.movies:
            only = None if rebuild else changes.movies
            held = self.store.movies(only)
            put = [movie for _, movie in held if movie is not None]
            removed = [movie_id for movie_id, movie in held if movie is None]
            stored = self.store.vectors(only)
            catalog = catalog.with_changes([*put, *_touched(catalog, put, stored)], removed)
            rows = catalog.rows(movie.movie_id for movie in put)
            records = _same_texts(self.snapshot.catalog, catalog, rows)
            view.spaces.change_encoded(catalog, records, stored)
            missing = missing.after(changes.movies, catalog, records, stored, view.spaces)
            touched = np.union1d(rows, catalog.rows(vector.movie_id for vector in stored))
            touched = touched[touched >= 0]
            fitted = _grow(fitted, catalog, view.spaces.known(touched))
            view.spaces.change_content(fitted.get(CONTENT), catalog, touched)
            stats, version = stats.grown(len(catalog)), version + 1
        self._fitted = fitted
        models = self._served_models(catalog, changes.seq)
        # From here on nothing fails, so that what is noted as applied is in the counts.
        stats = self._without_erased(changes, stats, len(catalog))
        stats = stats.fold(changes.ratings, catalog, self._base_stars, self._applied)
        self._view = replace(
            view,
            catalog=catalog,
            models=models,
            stats=stats,
            movies_version=version,
            sequence=changes.seq,
            missing_vectors=missing,
        )
        if rebuild:
            # Whose data changed is not known: let every user's version move.
            self._everyone = changes.seq
        for user_id in changes.users:
            self._versions[user_id] = changes.seq
        self._seq = changes.seq

    def _served_models(self, catalog: Catalog, sequence: int) -> dict[str, Model[Any]]:
        served = Served(self.snapshot.id, sequence)
        return served_models(self._fitted, self._recommender, served, catalog, len(self.snapshot.catalog))

    def check(self) -> None:
        """Raise unless there is a default model, the store answers, and the recommender service, if there is one."""
        self._view.default_model()
        self.store.ping()
        if self._recommender is not None:
            self._recommender.check(Served(self.snapshot.id, self.sync().sequence))

    def await_recommender(self) -> None:
        """Wait until the recommender service, if any, has this snapshot; where it will not, requests say so."""
        if self._recommender is not None:
            with suppress(ServiceError):
                self._recommender.check(Served(self.snapshot.id, -1))

    def _without_erased(self, changes: Changes, stats: Stats, n_items: int) -> Stats:
        """The counts less what they hold of users who were erased; from the snapshot where changes are all there is."""
        if not changes.complete:
            stats, self._applied, self._erased = (
                Stats.of(self.snapshot).grown(n_items),
                AppliedRatings(),
                NOBODY,
            )
        if not changes.erased:
            return stats
        gone = [pair for user_id in changes.erased for pair in self._forget(user_id).items()]
        self._erased |= changes.erased
        return stats.less(np.array([row for row, _ in gone], np.int64), np.array([stars for _, stars in gone]))

    def _forget(self, user_id: str) -> dict[int, float]:
        """What the counts hold of a user, catalog row → stars."""
        ratings, held = self.snapshot.ratings, dict[int, float | None]()
        user = None if user_id in self._erased else ratings.find_user(user_id)
        if user is not None:
            rows, values, _ = ratings.history(user)
            held = dict(zip(rows.tolist(), values.tolist(), strict=True))
        held |= self._applied.forget(user_id)
        return {row: stars for row, stars in held.items() if stars is not None}

    # --- reading ----------------------------------------------------------------------------------------------
    @property
    def view(self) -> RequestView:
        """The state after the last `sync`."""
        return self._view

    def user_version(self, user_id: str) -> int:
        """Version of a user's data as of the last `sync`; grows with every change."""
        return max(self._versions.get(user_id, 0), self._everyone)

    def held_user(self, user_id: str) -> HeldUser:
        """What the store holds about a user, with every change up to the last `sync`."""
        if not self._assumed and user_id not in self._versions:
            return NOTHING  # the store holds nothing about users who never changed
        return self._users.get(user_id, self.user_version(user_id), lambda: self._seq)

    def is_as_trained(self, user_id: str) -> bool:
        """Whether the snapshot is known to hold all ratings of a user, whatever the store holds of them."""
        return self._assumed is not None and user_id not in self._versions

    def changed_users(self) -> frozenset[str]:
        """Users whose ratings may not be the snapshot's, as of the last `sync`; others may have states."""
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
    def _newest(self) -> float:
        """Time of the snapshot's newest rating, seconds since 1970; when it was made where no rating has a time."""
        newest = self.snapshot.newest
        return self.snapshot.manifest.created.timestamp() if newest == NO_TIME else float(newest)

    def ages(self) -> Ages:
        """How old the snapshot and its models are."""
        now = time.time()
        return Ages(max(0.0, now - self.snapshot.manifest.created.timestamp()), max(0.0, now - self._newest))

    @cached_property
    def star_steps(self) -> NDArray[np.float64]:
        """The steps of the data's scale, increasing; made on first use."""
        return star_steps(self.snapshot.dataset.scale, self.snapshot.ratings.values)

    def merged_ratings(self, catalog: Catalog) -> MergedRatings:
        """See `RequestView.ratings`."""
        return self._overlay.over(catalog)

    def base_rating(self, user_id: str, movie_id: str) -> float | None:
        """The snapshot's rating, None where there is none or the user was erased."""
        row = self.snapshot.catalog.find_any(movie_id)
        stars = np.nan if row is None else float(self._base_stars([user_id], np.array([row]))[0])
        return None if np.isnan(stars) else stars

    def _base_stars(self, user_ids: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        ratings = self.snapshot.ratings
        found = {user_id: ratings.find_user(user_id) for user_id in set(user_ids) - self._erased}
        users = (-1 if (user := found.get(user_id)) is None else user for user_id in user_ids)
        return ratings.stars_of(np.fromiter(users, np.int64, len(user_ids)), rows)

    def erased(self) -> frozenset[str]:
        """Erased users, whose ratings in the snapshot are hidden; not those whom the training knew to be erased."""
        return self._erased


def query_of(ratings: dict[int, tuple[float, int]], user_id: str | None = None) -> Query:
    """A query of movie row → (stars, time)."""
    n = len(ratings)
    rows: NDArray[np.int64] = np.fromiter(ratings, dtype=np.int64, count=n)
    values = np.fromiter((pair[0] for pair in ratings.values()), dtype=np.float32, count=n)
    times = np.fromiter((pair[1] for pair in ratings.values()), dtype=np.int64, count=n)
    return Query(rows, values, times, user_id)


def _touched(catalog: Catalog, put: Sequence[Movie], stored: Sequence[MovieVector]) -> list[Movie]:
    """Movies of which only a vector (a poster) changed: as changes of the catalog, so that models read them again."""
    known = {movie.movie_id for movie in put}
    rows = (catalog.find(vector.movie_id) for vector in stored if vector.movie_id not in known)
    return [catalog.movie(row) for row in rows if row is not None]


def _same_texts(old: Catalog, new: Catalog, rows: NDArray[np.int64]) -> dict[int, bool]:
    """For each row whether what an encoder reads of the movie is the same in both catalogs."""
    known = rows[rows < len(old)]
    same = [before == after for before, after in zip(movie_texts(old, known), movie_texts(new, known), strict=True)]
    return dict.fromkeys(rows.tolist(), False) | dict(zip(known.tolist(), same, strict=True))


def _grow(
    models: dict[str, Model[Any]], catalog: Catalog, vectors: Mapping[str, MovieVectors]
) -> dict[str, Model[Any]]:
    """The models over a grown catalog; parts first, so that what is made of them shares them.

    Args:
        vectors: of the movies that were added or edited, by space.
    """
    grown: dict[str, Model[Any]] = {}
    waiting = dict(models)
    while waiting:
        # Loading has seen to it that no part is missing, or made of its whole.
        for name in [name for name, model in waiting.items() if all(part in grown for part in model.parts)]:
            model = waiting.pop(name)
            grown[name] = (model.bind(grown) if model.parts else model).with_catalog(catalog, vectors)
    return {name: grown[name] for name in models}
