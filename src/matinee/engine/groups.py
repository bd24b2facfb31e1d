"""One list for several people: each one's scores made comparable, then averaged, or the least content counts.

Both ways are those of Masthoff, "Group Recommender Systems" (Recommender Systems Handbook, 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from matinee.data.ids import id_text
from matinee.engine.charts import newcomer_scores
from matinee.engine.filters import parse
from matinee.engine.recommend import POOL, allowed_movies, check_request, history_of, make_items, pick, predicted_stars
from matinee.engine.runtime import RequestView
from matinee.engine.types import GroupAnswer, GroupItem, GroupMethod, Member, MemberFit, Request
from matinee.engine.writes import check_user_id
from matinee.errors import InvalidInputError
from matinee.models.base import Query

MAX_MEMBERS = 10


@dataclass(frozen=True)
class _Person:
    """One of the group; without `scores` nothing is known of the person, who is content with anything."""

    user_id: str
    query: Query
    fallback: str | None
    scores: NDArray[np.float32] | None


def recommend_group(view: RequestView, user_ids: Sequence[str], request: Request, method: GroupMethod) -> GroupAnswer:
    """See `Engine.recommend_group`."""
    names = list(dict.fromkeys(check_user_id(id_text(user_id)) for user_id in user_ids))
    if not 2 <= len(names) <= MAX_MEMBERS:
        raise InvalidInputError(f"{len(names)} different people.", f"Name 2 to {MAX_MEMBERS} of them.")
    if request.explain:
        raise InvalidInputError("A list for several people is not explained.", "Leave explain out.")
    check_request(view, request)
    name = request.model or view.default_model()
    model = view.model(name)
    parsed = parse(request.filter, view.settings.max_filter) if request.filter else None
    people: list[_Person] = []
    masks: list[NDArray[np.bool_]] = []
    for user_id in names:
        query, hidden = history_of(view, user_id)
        fallback = model.fallback(query) if len(query) else "popular"
        scores = None if fallback == "popular" else model.score([query])[0]
        people.append(_Person(user_id, query, fallback, scores))
        masks.append(allowed_movies(view, parsed, query, request, hidden).mask)
    allowed = np.logical_and.reduce(masks)
    known = [person.scores for person in people if person.scores is not None]
    combined = _combined(known, allowed, method) if known else newcomer_scores(view, allowed, POOL * request.n)
    rows = pick(view, Query(), combined, allowed, request)
    of_each = [_fits(view, person, rows, allowed) for person in people]
    items = tuple(
        GroupItem(
            **{field.name: getattr(item, field.name) for field in fields(item)},
            members=tuple(fits[place] for fits in of_each),
        )
        for place, item in enumerate(make_items(view, rows, combined[rows]))
    )
    return GroupAnswer(
        items,
        name if known else "popular",
        view.snapshot.id,
        method,
        tuple(Member(person.user_id, person.fallback) for person in people),
        None if known else "popular",
    )


def _combined(
    scores: Sequence[NDArray[np.float32]], allowed: NDArray[np.bool_], method: GroupMethod
) -> NDArray[np.float32]:
    """Scores of the group, (n_items,): each person's in deviations from the mean of the movies that may be listed."""
    comparable = []
    for own in scores:
        some = own[allowed & np.isfinite(own)]
        spread = float(some.std()) if len(some) else 0.0
        comparable.append((own - (some.mean() if len(some) else 0.0)) / (spread or 1.0))
    stacked = np.stack(comparable)
    together: NDArray[np.float32] = (stacked.min(axis=0) if method == "least_misery" else stacked.mean(axis=0)).astype(
        np.float32
    )
    return together


def _fits(view: RequestView, person: _Person, rows: NDArray[np.int64], allowed: NDArray[np.bool_]) -> list[MemberFit]:
    """How well each movie fits one person: the share of all movies that may be listed and stand lower."""
    stars = predicted_stars(view, person.query, rows)
    expected = np.full(len(rows), np.nan, dtype=np.float32) if stars is None else stars
    told = [round(one, 3) if one == one else None for one in expected.tolist()]
    if person.scores is None:
        return [MemberFit(person.user_id, None, one) for one in told]
    order = np.sort(person.scores[allowed & np.isfinite(person.scores)])
    below = np.searchsorted(order, person.scores[rows]) / max(len(order) - 1, 1)
    return [
        MemberFit(person.user_id, round(float(min(fit, 1.0)), 4), one) for fit, one in zip(below, told, strict=True)
    ]
