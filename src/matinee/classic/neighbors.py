"""Movies similar to a title, with FAISS, Annoy, HNSW or exact search (classic.md, B3)."""

from __future__ import annotations

from dataclasses import dataclass

from matinee.classic.titles import Match, find_title
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.similar_plots import PLOT, TEXT, TFIDF, check_method
from matinee.engine.types import Answer, Item, PlotMethod
from matinee.errors import InvalidInputError

MODELS = ("faiss", "annoy", "exact", "hnsw")
"""Names of indexes. All search the same space. The classic system had the first two."""
SPACES = ("content", "taste", "plot")
"""What makes movies similar; the first is the default."""


@dataclass(frozen=True)
class Neighbors:
    """Movies similar to the matched one.

    Attributes:
        model: the requested index.
        space: what was compared, "content", "taste" or "plot".
        index: the index that was used; "exact" if the snapshot has none of the requested kind, or its recall is low.
        fallback: "content" if the movie has no ratings, or no plot, else None.
        method: of plots, "tfidf" or "embedding".
    """

    match: Match
    model: str
    space: str
    index: str
    items: tuple[Item, ...]
    movies: tuple[Movie, ...]
    fallback: str | None = None
    method: PlotMethod | None = None


def recommend_similar(
    engine: Engine,
    model: str,
    n_recommendations: int,
    movie_title: str,
    space: str | None = None,
    method: PlotMethod | None = None,
) -> Neighbors:
    """The classic title search.

    Args:
        model: "faiss", "annoy", "exact" or "hnsw", case-insensitive.
        n_recommendations: number of movies.
        movie_title: with or without the year.
        space: "content" (the default), "taste" or "plot".
        method: of plots, "tfidf" or "embedding"; see `Engine.similar`.

    Raises:
        InvalidInputError: another model, space or method, one that the snapshot lacks, or a number out of range.
        NotFoundError: no title matches.
    """
    name = model.strip().lower()
    if name not in MODELS:
        raise InvalidInputError(f"There is no model {model[:40]!r}.", f"Use one of: {', '.join(MODELS)}.")
    if space not in (None, *SPACES):
        raise InvalidInputError(f"There is no space {space[:40]!r}.", f"Use one of: {', '.join(SPACES)}.")
    space = space or SPACES[0]
    check_method(space, method)
    match = find_title(engine, movie_title)
    answer, fallback = _search(engine, name, space, match, n_recommendations, method), None
    if answer is None and space != SPACES[0]:
        space = fallback = SPACES[0]
        answer = _search(engine, name, space, match, n_recommendations)
    if answer is not None and answer.fallback is not None:
        space = fallback = answer.fallback
    items = answer.items if answer is not None else ()
    index = (answer.index if answer is not None else None) or "exact"
    used = answer.method if answer is not None else None
    return Neighbors(match, name, space, index, items, tuple(engine.movie(i.movie_id) for i in items), fallback, used)


def _search(
    engine: Engine, name: str, space: str, match: Match, n: int, method: PlotMethod | None = None
) -> Answer | None:
    """The nearest movies by an index, or by exact search if there is none of its kind."""
    kinds = engine.indexes(space if space != PLOT else TEXT if method != TFIDF else "")
    index = name if name in kinds else "exact"
    if space == PLOT:
        return engine.similar(match.movie.movie_id, by=PLOT, method=method, n=n, index=index)
    return engine.neighbors_in(space, match.movie.movie_id, n=n, index=index)
