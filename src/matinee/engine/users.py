"""Questions about users: histories, neighbors, exports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.data.ratings import NO_TIME, Ratings
from matinee.engine import states
from matinee.engine.rating_counts import Tastes
from matinee.engine.recommend import check_n
from matinee.engine.runtime import RequestView
from matinee.engine.types import Neighbor, RatedMovie, UserPage
from matinee.errors import InvalidInputError, UnknownUserError
from matinee.models.base import Query

MIN_COMMON = 3
"""Movies that two users must share before their similarity counts in full: it is scaled by min(common, 3) / 3."""


def rated(view: RequestView, query: Query) -> list[RatedMovie]:
    """A history as records, newest first (unknown times last, then by movie id)."""
    ids, titles = view.catalog.column("movie_id"), view.catalog.column("title")
    times = query.times.tolist() if query.times is not None else [NO_TIME] * len(query)
    records = [
        RatedMovie(ids[row], titles[row], round(value, 4), None if time == NO_TIME else time)
        for row, value, time in zip(query.rows.tolist(), query.ratings.tolist(), times, strict=True)
    ]
    return sorted(records, key=lambda record: (record.timestamp is None, -(record.timestamp or 0), record.movie_id))


@dataclass(frozen=True)
class UserSimilarities:
    """All users beside one: the snapshot's by their row, then those whose data changed since.

    Attributes:
        scores: cosine of ratings centered on each user's mean, NaN for those without a common movie, and for the one.
        common: movies that both have rated.
        base: the snapshot's ratings; users who have changed have the score NaN there.
        others: the histories of users who have changed.
    """

    scores: NDArray[np.float32]
    common: NDArray[np.int64]
    base: Ratings
    others: list[Query]

    def neighbor(self, user: int) -> Neighbor:
        """A user by number."""
        n = self.base.n_users
        name = str(self.base.user_ids[user] if user < n else self.others[user - n].user_id)
        return Neighbor(name, round(float(self.scores[user]), 4), int(self.common[user]))

    def stars_of(self, row: int) -> NDArray[np.float32]:
        """Everybody's stars of one movie, NaN where it is not rated; the snapshot's also of users who have changed."""
        stars = np.full(len(self.scores), np.nan, dtype=np.float32)
        entries = np.flatnonzero(self.base.indices == row)
        stars[np.searchsorted(self.base.indptr, entries, side="right") - 1] = self.base.values[entries]
        for number, query in enumerate(self.others, self.base.n_users):
            own = query.ratings[query.rows == row]
            if len(own):
                stars[number] = own[0]
        return stars


def everybody(view: RequestView, mine: Query, user_id: str) -> UserSimilarities:
    """How alike everybody's taste is to a history, which is some of this user's."""
    runtime = view.runtime
    changed, base, n_items = runtime.changed_users(), view.snapshot.ratings, len(view.catalog)
    scores, common = _alike(mine, n_items, base.indptr, base.indices, base.values, runtime.tastes)
    scores[[row for other in {*changed, user_id} if (row := base.find_user(other)) is not None]] = np.nan
    histories = (view.history(other) for other in sorted(changed - {user_id}))
    others = [query for query in histories if len(query)]
    indptr = np.cumsum([0, *(len(query) for query in others)])
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(query.rows for query in others)])
    values = np.concatenate([np.zeros(0, dtype=np.float32), *(query.ratings for query in others)])
    more, more_common = _alike(mine, n_items, indptr, rows, values, Tastes.of(indptr, values))
    return UserSimilarities(np.concatenate([scores, more]), np.concatenate([common, more_common]), base, others)


def neighbors(view: RequestView, user_id: str, n: int) -> list[Neighbor]:
    """Users of most similar taste: cosine of ratings centered on each user's mean."""
    check_n(n, view.settings.max_n)
    similar = everybody(view, view.known_history(user_id), user_id)
    return [similar.neighbor(user) for user in top_n(similar.scores, n).tolist()]


def raters(view: RequestView, mine: Query, user_id: str, row: int, n: int) -> list[tuple[Neighbor, float]]:
    """The users of most similar taste who have rated one movie, and their stars; only those who are alike at all."""
    similar = everybody(view, mine, user_id)
    stars = similar.stars_of(row)
    scores = np.where(np.isfinite(stars) & (similar.scores > 0), similar.scores, np.float32(np.nan))
    return [(similar.neighbor(user), round(float(stars[user]), 4)) for user in top_n(scores, n).tolist()]


def _alike(
    mine: Query,
    n_items: int,
    indptr: NDArray[np.int64],
    rows: NDArray[Any],
    values: NDArray[np.float32],
    tastes: Tastes,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarity of users (ratings as sparse rows) to one history, NaN without a common movie, and movies in common."""
    own = Tastes.of(np.array([0, len(mine)]), mine.ratings)
    weights, seen = np.zeros(n_items, dtype=np.float32), np.zeros(n_items, dtype=np.bool_)
    weights[mine.rows], seen[mine.rows] = own.centered(np.zeros(len(mine), dtype=np.int64), mine.ratings), True
    entries = np.flatnonzero(seen[rows])
    users, n_users = np.searchsorted(indptr, entries, side="right") - 1, len(indptr) - 1
    products = tastes.centered(users, values[entries]) * weights[rows[entries]]
    dots = np.bincount(users, weights=products, minlength=n_users)
    common = np.bincount(users, minlength=n_users)
    lengths = tastes.norms * own.norms[0]
    scores = np.divide(dots, lengths, out=np.full(n_users, np.nan), where=common > 0)
    return (scores * np.minimum(common, MIN_COMMON) / MIN_COMMON).astype(np.float32), common


def page(view: RequestView, prefix: str, limit: int, offset: int) -> UserPage:
    """See `Engine.users`."""
    check_n(limit, view.settings.max_n, "limit")
    if offset < 0:
        raise InvalidInputError(f"offset is {offset}.", "Start at 0 or later.")
    users = view.ratings().users
    if prefix:
        users = sorted((user for user in users if user[0].startswith(prefix)), key=lambda user: user[0] != prefix)
    return UserPage(tuple(users[offset : offset + limit]), len(users))


def export(view: RequestView, user_id: str) -> dict[str, Any]:
    """See `Engine.export_user`."""
    ratings, shown = rated(view, view.history(user_id)), view.runtime.store.exposures(user_id)
    marked = states.page(view, user_id, state=None, limit=None, offset=0).states
    if not ratings and not shown and not marked:
        raise UnknownUserError(user_id)
    return {
        "user_id": user_id,
        "ratings": [asdict(rating) for rating in ratings],
        "states": [asdict(one) for one in marked],
        "exposures": [
            {"timestamp": e.timestamp, "snapshot": e.snapshot, "model": e.model, "movie_ids": list(e.movie_ids)}
            | ({"experiment": e.experiment, "arm": e.arm} if e.experiment else {})
            for e in shown
        ],
    }


def export_ratings(view: RequestView) -> Iterator[tuple[str, str, float, int | None]]:
    """All effective ratings of movies in service: user id, movie id, stars, time."""
    overlay: defaultdict[str, set[str]] = defaultdict(set)
    changed: list[tuple[str, str, float, int | None]] = []
    for batch in view.runtime.store.ratings():
        for r in batch:
            overlay[r.user_id].add(r.movie_id)
            if r.rating is not None and view.catalog.find(r.movie_id) is not None:
                changed.append((r.user_id, r.movie_id, r.rating, r.timestamp))
    base, ids, active = view.snapshot.ratings, view.catalog.column("movie_id"), view.catalog.active
    erased = view.runtime.erased()
    for user, user_id in enumerate(base.user_ids.to_list()):
        if user_id in erased:
            continue
        hidden = overlay.get(user_id, set())
        rows, values, times = base.history(user)
        for row, value, time in zip(rows.tolist(), values.tolist(), times.tolist(), strict=True):
            if active[row] and ids[row] not in hidden:
                yield user_id, ids[row], round(value, 4), None if time == NO_TIME else time
    yield from changed
