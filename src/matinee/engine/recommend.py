"""Ranking: a history and a request → an ordered list with predicted stars and reasons."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.data.ids import id_text
from matinee.engine.charts import newcomer_scores
from matinee.engine.filters import Filter, parse
from matinee.engine.reasons import ListReasons, tell
from matinee.engine.rerank import diversify
from matinee.engine.runtime import View
from matinee.engine.types import Answer, Item, Request
from matinee.errors import InvalidInputError, UnknownModelError
from matinee.models.base import Query
from matinee.models.content.model import Content
from matinee.models.popularity import Popularity
from matinee.settings import Settings

POOL = 5
"""With diversity the list is chosen among the best POOL·n films, at least 100."""


def check_n(n: int, limit: int, name: str = "n") -> None:
    """Raise unless 1 ≤ n ≤ limit."""
    if not 1 <= n <= limit:
        raise InvalidInputError(f"{name} is {n}, outside 1..{limit}.", f"Ask for 1 to {limit} items.")


def check_share(value: float, name: str) -> None:
    """Raise unless 0 ≤ value ≤ 1."""
    if not 0.0 <= value <= 1.0:
        raise InvalidInputError(f"{name} is {value}, outside 0..1.", "Give a number from 0 to 1.")


def allowed_rows(view: View, filter: str, max_length: int) -> NDArray[np.bool_]:
    """Movies in service that the filter allows, (n_items,), a fresh array.

    Raises:
        FilterError: the filter does not parse.
    """
    return filtered_rows(view, parse(filter, max_length))


def filtered_rows(view: View, condition: Filter) -> NDArray[np.bool_]:
    """Movies in service that a parsed filter allows, (n_items,), a fresh array."""
    allowed: NDArray[np.bool_] = view.catalog.active.copy()
    if condition:
        allowed &= condition.mask(view.catalog, view.stats.for_filters())
    return allowed


def recommend(
    view: View, settings: Settings, query: Query, request: Request, *, user_id: str | None = None, version: int = 0
) -> Answer:
    """Rank films for a history.

    An empty history, or one that the model knows nothing of, gets what newcomers like (live) and
    `fallback="popular"`. Films of the history are left out unless `include_seen`.
    """
    check_n(request.n, settings.max_n)
    check_share(request.diversity, "diversity")
    if request.adventurous is not None:
        check_share(request.adventurous, "adventurous")
    name = request.model or default_name(view, settings)
    model = view.model(name)
    condition = parse(request.filter, settings.max_filter)
    allowed = filtered_rows(view, condition)
    if not request.include_seen:
        allowed[query.rows] = False
    excluded = view.catalog.rows(map(id_text, request.exclude)) if request.exclude else np.zeros(0, dtype=np.int64)
    allowed[excluded[excluded >= 0]] = False

    fallback = model.fallback(query) if len(query) else "popular"
    if fallback == "popular":
        name, scores = "popular", newcomer_scores(view, allowed, POOL * request.n)
    else:
        scores = model.score([query])[0]
    ranked = np.where(allowed, scores, np.float32(np.nan))
    # The chart is everybody's; a list of it is nobody's taste, whoever asks.
    personal = fallback != "popular" and not isinstance(model, Popularity)
    rows = _pick(view, settings, query if personal else Query(), scores, allowed, request)
    stars = predicted_stars(view, query, rows)
    told = tell(view, model, query, rows, ranked, fallback) if request.explain else None
    return Answer(
        items=make_items(view, rows, ranked, stars, told),
        model=name,
        snapshot=view.snapshot.id,
        fallback=fallback,
        user_id=user_id,
        version=version,
        volatile=fallback == "popular" or condition.reads_ratings,
        less_of=None if told is None else told.less_of,
    )


def default_name(view: View, settings: Settings) -> str:
    """The settings' default model, or the snapshot's where it lacks that one.

    Raises:
        UnknownModelError: the snapshot has neither.
    """
    for name in (settings.default_model, view.snapshot.manifest.default_model):
        if name in view.models:
            return name
    raise UnknownModelError(settings.default_model, list(view.models))


def _pick(
    view: View,
    settings: Settings,
    query: Query,
    scores: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    request: Request,
) -> NDArray[np.int64]:
    """Rows of the list: calibrated and as adventurous as asked for, then diversified where that is asked for."""
    adventurous = settings.adventurous if request.adventurous is None else request.adventurous
    n = request.n if request.diversity == 0.0 else max(POOL * request.n, 100)
    if not len(query) and request.adventurous is None:
        rows = top_n(np.where(allowed, scores, np.float32(np.nan)), n)
    else:
        rows = view.rerankers(view.catalog).pick(
            scores, query, n, allowed=allowed, adventurous=adventurous, strength=settings.calibration
        )
    if request.diversity == 0.0:
        return rows
    vectors = film_vectors(view, rows)
    if vectors is None:
        return rows[: request.n]
    # Relevance falls along this order as the scores fall along theirs.
    return diversify(rows, -np.sort(-scores[rows]), vectors, request.n, request.diversity)


def film_vectors(view: View, rows: NDArray[np.int64]) -> sp.csr_matrix | None:
    """Unit-length content vectors of films, or None where the snapshot has no content model."""
    content = view.models.get("content")
    if not isinstance(content, Content):
        return None
    vectors = content.vectors[rows]
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags_array(np.divide(1, length, out=np.zeros_like(length), where=length > 0)) @ vectors)


def predicted_stars(view: View, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Expected stars of these films for this history, NaN where unknown; None without a star model or history."""
    model = next((m for m in view.models.values() if m.predicts_stars), None)
    if model is None or not len(query) or not len(rows):
        return None
    return model.score_rows(query, rows)


def make_items(
    view: View,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    stars: NDArray[np.float32] | None = None,
    told: ListReasons | None = None,
) -> tuple[Item, ...]:
    """Items of ranked rows; `scores` is over all films, `stars` and `told` go with `rows`."""
    catalog = view.catalog
    ids, titles, years, genres = (catalog.column(c) for c in ("movie_id", "title", "year", "genres"))
    values = scores[rows].tolist()
    expected = stars.tolist() if stars is not None else []
    return tuple(
        Item(
            row=row,
            movie_id=ids[row],
            title=titles[row],
            year=years[row],
            genres=tuple(genres[row]),
            score=values[i],
            rank=i + 1,
            stars=round(expected[i], 3) if expected and expected[i] == expected[i] else None,
            because=None if told is None else told.because[i],
            reason=None if told is None else told.texts[i],
        )
        for i, row in enumerate(rows.tolist())
    )
