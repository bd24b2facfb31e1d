"""Movies like one movie: the nearest vectors of the space of a likeness, whatever index searches it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.engine.recommend import check_n, make_items
from matinee.engine.runtime import RequestView
from matinee.engine.types import Answer, SimilarBy
from matinee.errors import InvalidInputError

KINDS = ("exact", "faiss", "annoy", "hnsw")
CONTENT, POSTER = "content", "poster"

Allowed = NDArray[np.bool_]


def similar(view: RequestView, movie_id: str, *, by: SimilarBy, n: int, filter: str, index: str) -> Answer:
    """Movies similar to one movie, itself left out; where the movie is not known by that likeness, content answers."""
    check_n(n, view.settings.max_n)
    if index not in KINDS:
        raise InvalidInputError(f"There is no index {index!r}.", f"Use one of: {', '.join(KINDS)}.")
    row = view.catalog.row(movie_id)
    allowed = view.allowed(filter)
    allowed[row] = False
    # A space may be missing where its data are. Posters can be added by the user, so their absence is an error.
    if by in view.spaces or by == POSTER or index != "exact":
        answer = in_space(view, row, by, n, allowed, index)
        if answer is not None:
            return answer
    if by != CONTENT and CONTENT in view.spaces:
        answer = in_space(view, row, CONTENT, n, allowed, index if index in view.spaces[CONTENT].kinds else "exact")
        if answer is not None:
            return replace(answer, fallback=CONTENT)
    return _by_model(view, row, by, n, allowed)


def neighbors_in(view: RequestView, movie_id: str, space: str, n: int, index: str) -> Answer | None:
    """See `Engine.neighbors_in`."""
    check_n(n, view.settings.max_n)
    row = view.catalog.row(movie_id)
    allowed = view.allowed()
    allowed[row] = False
    return in_space(view, row, space, n, allowed, index)


def in_space(view: RequestView, row: int, name: str, n: int, allowed: Allowed, index: str) -> Answer | None:
    """The movies nearest to one in a space; None where it has no vector there.

    `Answer.index` names the index that answered: the exact one for one that misses movies.

    Raises:
        InvalidInputError: the snapshot lacks the space or the index.
    """
    nearest = view.spaces[name].like(row, n, allowed, index)
    if nearest is None:
        return None
    rows, cosines, kind = nearest
    scores = np.full(len(view.catalog), np.nan, dtype=np.float32)
    scores[rows] = cosines
    return Answer(make_items(view, rows, scores), name, view.snapshot.id, index=kind)


def _by_model(view: RequestView, row: int, by: str, n: int, allowed: Allowed) -> Answer:
    """By the content model's own likeness, where there is no space: nobody has rated a movie, say."""
    model = view.models.get(CONTENT)
    similarity = model.similar([row]) if model is not None else None
    if similarity is None or not np.isfinite(similarity[0][allowed]).any():
        return Answer((), by, view.snapshot.id)
    scores = np.where(allowed, similarity[0], np.float32(np.nan))
    return Answer(
        make_items(view, top_n(scores, n), scores), CONTENT, view.snapshot.id, None if by == CONTENT else CONTENT
    )
