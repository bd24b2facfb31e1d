"""Questions about users: histories, neighbours, exports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from matinee.data.ratings import NO_TIME
from matinee.engine.rerank import top_n
from matinee.engine.runtime import Runtime, View
from matinee.engine.types import Neighbor, RatedMovie
from matinee.errors import UnknownUserError
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
    return sorted(records, key=lambda record: (-(record.timestamp or NO_TIME), record.movie_id))


def known(runtime: Runtime, view: View, user_id: str) -> Query:
    """A user's history.

    Raises:
        UnknownUserError: the user has no effective rating.
    """
    query = runtime.history(user_id, view)
    if not len(query):
        raise UnknownUserError(user_id)
    return query


def neighbors(runtime: Runtime, view: View, user_id: str, n: int) -> list[Neighbor]:
    """Users of most similar taste: cosine of ratings centred on each user's mean, over the films of both."""
    mine = known(runtime, view, user_id)
    ids, matrix = _everybody(runtime, view)
    vector = np.zeros(len(view.catalog), dtype=np.float32)
    vector[mine.rows] = _centred(mine.ratings)
    common = _common(matrix, mine, len(view.catalog))
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()) * np.linalg.norm(vector)
    cosine = np.divide(matrix @ vector, norms, out=np.zeros(len(ids), dtype=np.float32), where=norms > 0)
    scores = (cosine * np.minimum(common, MIN_COMMON) / MIN_COMMON).astype(np.float32)
    scores[common == 0] = np.nan
    scores[[i for i, other in enumerate(ids) if other == user_id]] = np.nan
    return [Neighbor(ids[i], round(float(scores[i]), 4), int(common[i])) for i in top_n(scores, n)]


def _common(matrix: sp.csr_matrix, mine: Query, n_items: int) -> Any:
    seen = np.zeros(n_items, dtype=np.float32)
    seen[mine.rows] = 1.0
    pattern = sp.csr_matrix((np.ones(matrix.nnz, dtype=np.float32), matrix.indices, matrix.indptr), matrix.shape)
    return np.rint(pattern @ seen)


def _centred(values: Any) -> Any:
    """Ratings less their mean; a user who gives everything the same stars gets a small constant instead."""
    centred = values - values.mean()
    return centred if np.abs(centred).max(initial=0.0) > 0 else np.full(len(values), 1e-3, dtype=np.float32)


def _everybody(runtime: Runtime, view: View) -> tuple[list[str], sp.csr_matrix]:
    """All users' centred effective ratings: the snapshot's users untouched by the store, then the others."""
    base, n_items = runtime.snapshot.ratings, len(view.catalog)
    touched = changed_users(runtime)
    keep = [i for i, user_id in enumerate(base.user_ids.to_list()) if user_id not in touched]
    counts = np.diff(base.indptr)
    means = np.divide(
        np.add.reduceat(np.append(base.values, np.float32(0)), np.minimum(base.indptr[:-1], len(base))),
        counts,
        out=np.zeros(base.n_users, dtype=np.float32),
        where=counts > 0,
    )
    centred = base.values - np.repeat(means, counts)
    whole = sp.csr_matrix(
        (np.where(centred == 0, np.float32(1e-3), centred), base.indices, base.indptr), shape=(base.n_users, n_items)
    )
    ids = [base.user_ids[i] for i in keep]
    others = [(user_id, query) for user_id in sorted(touched) if len(query := runtime.history(user_id, view))]
    if not others:
        return ids, whole[keep]
    indptr = np.concatenate([[0], np.cumsum([len(query) for _, query in others])])
    extra = sp.csr_matrix(
        (
            np.concatenate([_centred(query.ratings) for _, query in others]),
            np.concatenate([query.rows for _, query in others]),
            indptr,
        ),
        shape=(len(others), n_items),
    )
    return ids + [user_id for user_id, _ in others], sp.csr_matrix(sp.vstack([whole[keep], extra]))


def changed_users(runtime: Runtime) -> frozenset[str]:
    """Users of whom the snapshot alone does not tell the truth."""
    return frozenset(r.user_id for batch in runtime.store.ratings() for r in batch) | runtime.erased()


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
