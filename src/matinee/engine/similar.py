"""Movies like one movie: the nearest vectors of the space of a likeness, whatever index searches it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matinee._util.topk import top_n
from matinee.engine.allowed import Allowed
from matinee.engine.recommend import check_n, make_items
from matinee.engine.runtime import RequestView
from matinee.engine.same_movie import same_movie_of
from matinee.engine.similar_look import CONTENT, LOOK, POSTER, similar_look
from matinee.engine.similar_plots import PLOT, check_method, similar_plots
from matinee.engine.space_search import in_space
from matinee.engine.types import Answer, PlotMethod, SimilarBy
from matinee.errors import InvalidInputError

KINDS = ("exact", "faiss", "annoy", "hnsw")


def similar(
    view: RequestView, movie_id: str, *, by: SimilarBy, n: int, filter: str, index: str, method: PlotMethod | None
) -> Answer:
    """Movies similar to one movie, itself left out; where the movie is not known by that likeness, content answers."""
    check_n(n, view.settings.max_n)
    if index not in KINDS:
        raise InvalidInputError(f"There is no index {index!r}.", f"Use one of: {', '.join(KINDS)}.")
    check_method(by, method)
    row = view.catalog.row(movie_id)
    left_out = same_movie_of(view.catalog).rows(row) if by in (POSTER, LOOK) else [row]
    allowed = Allowed(view.subset(filter), np.array(left_out, dtype=np.int64))
    answer = None
    # A space may be missing where its data are. Posters can be added by the user, so their absence is an error.
    if by == PLOT:
        answer = similar_plots(view, row, method, n, allowed, index)
    elif by == LOOK:
        answer = similar_look(view, row, n, allowed, index)
    elif by in view.spaces or by == POSTER or index != "exact":
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
    allowed = Allowed(view.subset(), np.array([row], dtype=np.int64))
    return in_space(view, row, space, n, allowed, index)


def _by_model(view: RequestView, row: int, by: str, n: int, allowed: Allowed) -> Answer:
    """By the content model's own likeness, where there is no space: nobody has rated a movie, say."""
    model = view.models.get(CONTENT)
    similarity = model.similar([row]) if model is not None else None
    if similarity is None or not np.isfinite(similarity[0][allowed.mask]).any():
        return Answer((), by, view.snapshot.id)
    scores = np.where(allowed.mask, similarity[0], np.float32(np.nan))
    rows = top_n(scores, n)
    return Answer(make_items(view, rows, scores[rows]), CONTENT, view.snapshot.id, None if by == CONTENT else CONTENT)
