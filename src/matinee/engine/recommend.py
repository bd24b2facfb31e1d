"""Ranking: a history and a request → an ordered list with predicted stars and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.ids import id_text
from matinee.engine.filters import parse
from matinee.engine.rerank import diversify
from matinee.engine.runtime import View
from matinee.engine.types import Answer, Item, Reason, Request
from matinee.errors import InvalidInputError, UnknownModelError
from matinee.models.base import Model, Query
from matinee.models.content import Content
from matinee.models.popularity import Popularity
from matinee.models.ranking import top_n
from matinee.settings import Settings

MAX_REASONS = 5
"""Films named as reasons of one pick, at most."""
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
    """Films in service that the filter allows, (n_items,), a fresh array.

    Raises:
        FilterError: the filter does not parse.
    """
    allowed: NDArray[np.bool_] = view.catalog.active.copy()
    if filter:
        wanted = parse(filter, max_length)
        if wanted:
            allowed &= wanted.mask(view.catalog, view.stats.for_filters())
    return allowed


def recommend(
    view: View, settings: Settings, query: Query, request: Request, *, user_id: str | None = None, version: int = 0
) -> Answer:
    """Rank films for a history.

    An empty history, or one that the model knows nothing of, gets the live IMDb-weighted chart and
    `fallback="popular"`. Films of the history are left out unless `include_seen`.
    """
    check_n(request.n, settings.max_n)
    check_share(request.diversity, "diversity")
    if request.adventurous is not None:
        check_share(request.adventurous, "adventurous")
    name = request.model or default_name(view, settings)
    model = view.model(name)
    allowed = allowed_rows(view, request.filter, settings.max_filter)
    if not request.include_seen:
        allowed[query.rows] = False
    excluded = view.catalog.rows(map(id_text, request.exclude)) if request.exclude else np.zeros(0, dtype=np.int64)
    allowed[excluded[excluded >= 0]] = False

    fallback = model.fallback(query) if len(query) else "popular"
    if fallback == "popular":
        name, scores = "popular", chart(view)
    else:
        scores = model.score([query])[0]
    ranked = np.where(allowed, scores, np.float32(np.nan))
    # The chart is everybody's; a list of it is nobody's taste, whoever asks.
    personal = fallback != "popular" and not isinstance(model, Popularity)
    rows = _pick(view, settings, query if personal else Query(), scores, allowed, request)
    stars = predicted_stars(view, query, rows)
    because = _reasons(view, model, query, rows) if request.explain and fallback != "popular" else None
    if request.explain and because is None:
        because = [()] * len(rows)
    return Answer(
        items=make_items(view, rows, ranked, stars, because),
        model=name,
        snapshot=view.snapshot.id,
        fallback=fallback,
        user_id=user_id,
        version=version,
        volatile=fallback == "popular" or parse(request.filter, settings.max_filter).reads_ratings,
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


def chart(view: View) -> NDArray[np.float32]:
    """Live IMDb-weighted score of every film; films without ratings come last, newest first."""
    scores = view.stats.popularity.copy()
    unrated = view.stats.counts == 0
    if unrated.any():
        # Below every rated film, by row: films added last first.
        floor = float(scores[~unrated].min(initial=0.0)) - 1.0
        scores[unrated] = floor + 0.5 * (np.flatnonzero(unrated) / max(len(scores), 1)).astype(np.float32)
    return scores


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


def _reasons(view: View, model: Model[Any], query: Query, rows: NDArray[np.int64]) -> list[tuple[Reason, ...]] | None:
    parts = model.contributions(query, rows.tolist())
    if parts is None:
        return None
    titles, ids = view.catalog.column("title"), view.catalog.column("movie_id")
    reasons = []
    for line in np.nan_to_num(parts, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64):
        positive = np.maximum(line, 0.0)
        order = top_n(positive.astype(np.float32), MAX_REASONS)
        order = order[positive[order] > 0]
        # Rounded down, so that the shares of a list never sum to more than 1.
        shares = [int(1e4 * part / positive.sum()) / 1e4 for part in positive[order]]
        films = query.rows[order].tolist()
        reasons.append(tuple(Reason(ids[row], titles[row], share) for row, share in zip(films, shares, strict=True)))
    return reasons


def make_items(
    view: View,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    stars: NDArray[np.float32] | None = None,
    because: Sequence[tuple[Reason, ...]] | None = None,
) -> tuple[Item, ...]:
    """Items of ranked rows; `scores` is over all films, `stars` and `because` go with `rows`."""
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
            because=None if because is None else because[i],
        )
        for i, row in enumerate(rows.tolist())
    )
