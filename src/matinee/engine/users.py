"""Questions about users: histories, neighbours, exports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.data.ratings import NO_TIME, Ratings
from matinee.engine.rating_counts import Tastes
from matinee.engine.recommend import check_n
from matinee.engine.runtime import RequestView, Runtime, View
from matinee.engine.types import Neighbor, RatedMovie, UserPage
from matinee.errors import InvalidInputError, UnknownUserError
from matinee.models.base import Query

MIN_COMMON = 3
"""Films that two users must share before their similarity counts in full: it is scaled by min(common, 3) / 3."""


def rated(view: View, query: Query) -> list[RatedMovie]:
    """A history as records, newest first (unknown times last, then by film id)."""
    ids, titles = view.catalog.column("movie_id"), view.catalog.column("title")
    times = query.times.tolist() if query.times is not None else [NO_TIME] * len(query)
    records = [
        RatedMovie(ids[row], titles[row], round(value, 4), None if time == NO_TIME else time)
        for row, value, time in zip(query.rows.tolist(), query.ratings.tolist(), times, strict=True)
    ]
    return sorted(records, key=lambda record: (record.timestamp is None, -(record.timestamp or 0), record.movie_id))


def known(runtime: Runtime, view: View, user_id: str) -> Query:
    """A user's history.

    Raises:
        UnknownUserError: the user has no effective rating.
    """
    query = runtime.history(user_id, view)
    if not len(query):
        raise UnknownUserError(user_id)
    return query


@dataclass(frozen=True)
class UserSimilarities:
    """All users beside one: the snapshot's by their row, then those whose data changed since.

    Attributes:
        scores: cosine of ratings centred on each user's mean, NaN for those without a common film, and for the one.
        common: films that both have rated.
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
        """Everybody's stars of one film, NaN where it is not rated; the snapshot's also of users who have changed."""
        stars = np.full(len(self.scores), np.nan, dtype=np.float32)
        places = np.flatnonzero(self.base.indices == row)
        stars[np.searchsorted(self.base.indptr, places, side="right") - 1] = self.base.values[places]
        for number, query in enumerate(self.others, self.base.n_users):
            found = query.ratings[query.rows == row]
            if len(found):
                stars[number] = found[0]
        return stars


def everybody(runtime: Runtime, view: View, mine: Query, user_id: str) -> UserSimilarities:
    """How alike everybody's taste is to a history, which is some of this user's."""
    changed, base, n_items = runtime.changed_users(), runtime.snapshot.ratings, len(view.catalog)
    scores, common = _alike(mine, n_items, base.indptr, base.indices, base.values, runtime.tastes)
    scores[[row for other in {*changed, user_id} if (row := base.find_user(other)) is not None]] = np.nan
    histories = (runtime.history(other, view) for other in sorted(changed - {user_id}))
    others = [query for query in histories if len(query)]
    indptr = np.cumsum([0, *(len(query) for query in others)])
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(query.rows for query in others)])
    values = np.concatenate([np.zeros(0, dtype=np.float32), *(query.ratings for query in others)])
    more, more_common = _alike(mine, n_items, indptr, rows, values, Tastes.of(indptr, values))
    return UserSimilarities(np.concatenate([scores, more]), np.concatenate([common, more_common]), base, others)


def neighbors(runtime: Runtime, view: View, user_id: str, n: int) -> list[Neighbor]:
    """Users of most similar taste: cosine of ratings centred on each user's mean."""
    found = everybody(runtime, view, known(runtime, view, user_id), user_id)
    return [found.neighbor(user) for user in top_n(found.scores, n).tolist()]


def raters(runtime: Runtime, view: View, mine: Query, user_id: str, row: int, n: int) -> list[tuple[Neighbor, float]]:
    """The users of most similar taste who have rated one film, and their stars; only those who are alike at all."""
    found = everybody(runtime, view, mine, user_id)
    stars = found.stars_of(row)
    alike = np.where(np.isfinite(stars) & (found.scores > 0), found.scores, np.float32(np.nan))
    return [(found.neighbor(user), round(float(stars[user]), 4)) for user in top_n(alike, n).tolist()]


def _alike(
    mine: Query,
    n_items: int,
    indptr: NDArray[np.int64],
    rows: NDArray[Any],
    values: NDArray[np.float32],
    tastes: Tastes,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarity of users (ratings as sparse rows) to one history, NaN without a common film, and films in common."""
    own = Tastes.of(np.array([0, len(mine)]), mine.ratings)
    weights, seen = np.zeros(n_items, dtype=np.float32), np.zeros(n_items, dtype=np.bool_)
    weights[mine.rows], seen[mine.rows] = own.centred(np.zeros(len(mine), dtype=np.int64), mine.ratings), True
    places = np.flatnonzero(seen[rows])
    users, n_users = np.searchsorted(indptr, places, side="right") - 1, len(indptr) - 1
    products = tastes.centred(users, values[places]) * weights[rows[places]]
    dots = np.bincount(users, weights=products, minlength=n_users)
    common = np.bincount(users, minlength=n_users)
    lengths = tastes.norms * own.norms[0]
    scores = np.divide(dots, lengths, out=np.full(n_users, np.nan), where=common > 0)
    return (scores * np.minimum(common, MIN_COMMON) / MIN_COMMON).astype(np.float32), common


def export_ratings(runtime: Runtime, view: View) -> Iterator[tuple[str, str, float, int | None]]:
    """All effective ratings of films in service: user id, film id, stars, time."""
    overlay: defaultdict[str, set[str]] = defaultdict(set)
    changed: list[tuple[str, str, float, int | None]] = []
    for batch in runtime.store.ratings():
        for r in batch:
            overlay[r.user_id].add(r.movie_id)
            if r.rating is not None and view.catalog.find(r.movie_id) is not None:
                changed.append((r.user_id, r.movie_id, r.rating, r.timestamp))
    base, ids, active = runtime.snapshot.ratings, view.catalog.column("movie_id"), view.catalog.active
    erased = runtime.erased()
    for user, user_id in enumerate(base.user_ids.to_list()):
        if user_id in erased:
            continue
        hidden = overlay.get(user_id, set())
        rows, values, times = base.history(user)
        for row, value, time in zip(rows.tolist(), values.tolist(), times.tolist(), strict=True):
            if active[row] and ids[row] not in hidden:
                yield user_id, ids[row], round(value, 4), None if time == NO_TIME else time
    yield from changed


def page(at: RequestView, prefix: str, *, limit: int, offset: int) -> UserPage:
    """See `Engine.users`."""
    check_n(limit, at.settings.max_n, "limit")
    if offset < 0:
        raise InvalidInputError(f"offset is {offset}.", "Start at 0 or later.")
    found = _with_prefix(at, prefix)
    return UserPage(tuple(found[offset : offset + limit]), len(found))


def _with_prefix(at: RequestView, prefix: str) -> list[tuple[str, int]]:
    everyone = at.runtime.effective(at.view).users
    if not prefix:
        return everyone
    found = [one for one in everyone if one[0].startswith(prefix)]
    return sorted(found, key=lambda one: one[0] != prefix)
