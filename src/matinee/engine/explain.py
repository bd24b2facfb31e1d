"""Why one movie for one user: what every model says, and the movies, users, factors and words behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.topk import top_n
from matinee.engine import reasons, users
from matinee.engine.recommend import predicted_stars
from matinee.engine.runtime import RequestView
from matinee.engine.types import MovieRef
from matinee.models.base import Model, Query

MAX_REASONS = MAX_NEIGHBORS = 20
MAX_FACTORS = 8
MAX_ENDS = 5
"""Movies named at each end of a factor."""
MAX_SHARED, MAX_MOVIES = 8, 3
"""Words named of a field, and movies that have them."""
FIELDS = ("genres", "directors", "writers", "cast", "tags", "keywords")
_WELL_RATED = 10
"""The movies at the ends of a factor are among this part (a tenth) of the rated movies, those of the most ratings."""
_LEAST_WELL_RATED = 50


@dataclass(frozen=True, slots=True)
class ModelScore:
    """What one model says of the film."""

    name: str
    score: Annotated[float | None, Field(description="Comparable within one model only; null: no opinion.")]
    rank: Annotated[int | None, Field(description="Among the films that the user has not rated; null: no opinion.")]
    of: Annotated[int, Field(description="Films that the model has an opinion on.")]


@dataclass(frozen=True, slots=True)
class RatedReason:
    """A film that the user liked and its share in what liked films add to the score."""

    movie_id: str
    title: str
    rating: float
    share: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Rater:
    """A user of similar taste who has rated the film."""

    user_id: str
    similarity: float
    common: Annotated[int, Field(description="Films that both have rated, this one left out.")]
    stars: float


@dataclass(frozen=True, slots=True)
class Factor:
    """A latent factor, with its values for the user and the film."""

    factor: int
    user: float
    film: float
    product: Annotated[float, Field(description="What it adds to the score.")]
    high: Annotated[tuple[MovieRef, ...], Field(description="Well-known films that have most of it.")]
    low: Annotated[tuple[MovieRef, ...], Field(description="Those that have least.")]


@dataclass(frozen=True, slots=True)
class Shared:
    """What the film shares with films that the user rates no lower than their own mean."""

    field: Annotated[str, Field(description="genres, directors, writers, cast, tags or keywords.")]
    shared: tuple[str, ...]
    films: Annotated[tuple[MovieRef, ...], Field(description="Up to three films that share the most.")]


@dataclass(frozen=True)
class Explanation:
    """Why one film for one user."""

    user_id: str
    movie_id: str
    title: str
    snapshot: str
    model: Annotated[str, Field(description="Model whose reasons `because` gives.")]
    fallback: Annotated[
        str | None, Field(description='"popular" or "content" where that model knows too little of the user.')
    ]
    stars: Annotated[float | None, Field(description="Predicted; null where unknown.")]
    rating: Annotated[float | None, Field(description="The user's own, which is left out of what explains the film.")]
    models: tuple[ModelScore, ...]
    because: Annotated[
        tuple[RatedReason, ...], Field(description="Liked films, twenty at most, the biggest share first.")
    ]
    rest: Annotated[float, Field(description="Share of the liked films not listed.")]
    reason: Annotated[str, Field(description="The same in words, plain text.")]
    neighbors: Annotated[tuple[Rater, ...], Field(description="Twenty at most, the most similar first.")]
    neighbors_mean: float | None
    factors: Annotated[
        tuple[Factor, ...], Field(description="Of iALS, the eight that matter most; empty where there is none.")
    ]
    content: tuple[Shared, ...]


def explain(view: RequestView, user_id: str, movie_id: str, name: str | None) -> Explanation:
    """Why a movie for a user, see `Engine.explain`."""
    row = view.catalog.row(movie_id)
    name = name or view.default_model()
    model = view.model(name)
    query, rating = _without(view.known_history(user_id), row)
    stars = predicted_stars(view, query, np.array([row], dtype=np.int64))
    fallback = model.fallback(query) if len(query) else "popular"
    because, rest, reason = _because(view, model, query, row, fallback)
    raters = users.raters(view, query, user_id, row, MAX_NEIGHBORS) if len(query) else []
    return Explanation(
        user_id,
        movie_id,
        view.catalog.column("title")[row],
        view.snapshot.id,
        name,
        fallback,
        None if stars is None or not np.isfinite(stars[0]) else round(float(stars[0]), 3),
        rating,
        tuple(_scores(view, query, row)),
        because,
        rest,
        reason,
        tuple(Rater(one.user_id, one.similarity, one.common, stars) for one, stars in raters),
        round(float(np.mean([stars for _, stars in raters])), 3) if raters else None,
        tuple(_factors(view, query, row)),
        tuple(_content(view, query, row)),
    )


def _without(query: Query, row: int) -> tuple[Query, float | None]:
    """The history without one movie, and the stars that it had."""
    kept = query.rows != row
    if kept.all():
        return query, None
    times = None if query.times is None else query.times[kept]
    rest = Query(query.rows[kept], query.ratings[kept], times, query.user_id)
    return rest, round(float(query.ratings[~kept][0]), 4)


def _scores(view: RequestView, query: Query, row: int) -> Iterator[ModelScore]:
    unseen: NDArray[np.bool_] = view.catalog.active.copy()
    unseen[query.rows] = False
    for name, model in view.models.items():
        scores = model.score([query])[0]
        known = unseen & np.isfinite(scores)
        own = float(scores[row])
        if known[row]:
            yield ModelScore(name, round(own, 6), 1 + int((scores[known] > scores[row]).sum()), int(known.sum()))
        else:
            yield ModelScore(name, None, None, int(known.sum()))


def _because(
    view: RequestView, model: Model[Any], query: Query, row: int, fallback: str | None
) -> tuple[tuple[RatedReason, ...], float, str]:
    if fallback == "popular" or model.chart is not None:
        return (), 0.0, reasons.chart_text(model, fallback)
    parts = model.contributions(query, [row])
    if parts is None:
        return (), 0.0, reasons.UNDECIDED
    history = reasons.Reasons(view, query, by_content=fallback == "content" or not model.learns_from_ratings)
    cited = history.cited(parts[:1], MAX_REASONS)[0]
    ids = view.catalog.column("movie_id")
    stars = dict(zip(query.rows.tolist(), query.ratings.tolist(), strict=True))
    because = tuple(RatedReason(ids[one.row], one.title, round(stars[one.row], 4), one.share) for one in cited)
    # Shares are rounded down, so the rest is no less than 0.
    rest = round(1 - sum(one.share for one in cited), 4) if cited else 0.0
    return because, rest, history.text(row, cited)


def _factors(view: RequestView, query: Query, row: int) -> Iterator[Factor]:
    rows = _well_known(view)
    for model in view.models.values() if len(query) else ():
        users, movies = model.user_factors([query]), model.factors(np.append(rows, row))
        if users is not None and movies is not None:
            break
    else:
        return
    (user,), (factors, rated) = users, movies
    film = factors[-1]
    if not rated[-1] or not np.isfinite(user).all():
        return
    products = user * film
    rows, ends = rows[rated[:-1]], factors[:-1][rated[:-1]]
    for factor in top_n(np.abs(products), MAX_FACTORS).tolist():
        order = np.argsort(-ends[:, factor], kind="stable")
        yield Factor(
            factor,
            round(float(user[factor]), 4),
            round(float(film[factor]), 4),
            round(float(products[factor]), 6),
            _films(view, rows[order[:MAX_ENDS]]),
            _films(view, rows[order[::-1][:MAX_ENDS]]),
        )


def _well_known(view: RequestView) -> NDArray[np.int64]:
    """Rows of movies whose values of a factor say something to people, most rated first."""
    counts = np.where(view.catalog.active, view.stats.counts, 0)
    n = max(int((counts > 0).sum()) // _WELL_RATED, _LEAST_WELL_RATED)
    return top_n(np.where(counts > 0, counts, np.nan).astype(np.float32), n)


def _content(view: RequestView, query: Query, row: int) -> Iterator[Shared]:
    """Field by field: words that most of the liked movies have come first; movies that share the rarest words do."""
    if not len(query):
        return
    # Movies rated no lower than the user's own mean, the best first.
    liked = np.flatnonzero(query.ratings >= query.ratings.mean(dtype=np.float64))
    films = query.rows[liked[np.argsort(-query.ratings[liked], kind="stable")]].tolist()
    for field in FIELDS:
        column: list[list[str]] = view.catalog.column(field)
        having: dict[str, list[int]] = {word: [] for word in column[row]}
        for film in films:
            for word in having.keys() & set(column[film]):
                having[word].append(film)
        shared = [word for word in having if having[word]]
        if not shared:
            continue
        worth: dict[int, float] = dict.fromkeys(films, 0.0)
        for word in shared:
            for film in having[word]:
                worth[film] += 1 / len(having[word])
        best = sorted((film for film in films if worth[film]), key=lambda film: -worth[film])[:MAX_MOVIES]
        shown = sorted(shared, key=lambda word: -len(having[word]))[:MAX_SHARED]
        yield Shared(field, tuple(shown), _films(view, best))


def _films(view: RequestView, rows: NDArray[np.int64] | list[int]) -> tuple[MovieRef, ...]:
    titles, ids = view.catalog.column("title"), view.catalog.column("movie_id")
    return tuple(MovieRef(ids[int(row)], titles[int(row)]) for row in rows)
