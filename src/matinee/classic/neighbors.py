"""Movies similar to a title, with FAISS, Annoy, HNSW or exact search (classic.md, B3)."""

from __future__ import annotations

from dataclasses import dataclass

from matinee.classic.titles import Match, find_title
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.types import Answer, Item
from matinee.errors import InvalidInputError

MODELS = ("faiss", "annoy", "exact", "hnsw")
"""Names of indexes. All search the same space. The classic system had the first two."""
SPACES = ("content", "taste")
"""Spaces; the first is the default."""


@dataclass(frozen=True)
class Neighbors:
    """Movies similar to the matched one.

    Attributes:
        model: the requested index.
        space: the space that was searched, "content" or "taste".
        index: the index that was used; "exact" if the snapshot has none of the requested kind, or its recall is low.
        fallback: "content" if the movie has no ratings, else None.
    """

    match: Match
    model: str
    space: str
    index: str
    items: tuple[Item, ...]
    movies: tuple[Movie, ...]
    fallback: str | None = None


def recommend_similar(
    engine: Engine, model: str, n_recommendations: int, movie_title: str, space: str | None = None
) -> Neighbors:
    """The classic title search.

    Args:
        model: "faiss", "annoy", "exact" or "hnsw", case-insensitive.
        n_recommendations: number of movies.
        movie_title: with or without the year.
        space: "content" (the default) or "taste".

    Raises:
        InvalidInputError: another model or space, or a number out of range.
        NotFoundError: no title matches.
    """
    name = model.strip().lower()
    if name not in MODELS:
        raise InvalidInputError(f"There is no model {model[:40]!r}.", f"Use one of: {', '.join(MODELS)}.")
    if space not in (None, *SPACES):
        raise InvalidInputError(f"There is no space {space[:40]!r}.", f"Use {' or '.join(SPACES)}.")
    match = find_title(engine, movie_title)
    space = space or SPACES[0]
    answer, fallback = _search(engine, name, space, match, n_recommendations), None
    if answer is None and space != SPACES[0]:
        space = fallback = SPACES[0]
        answer = _search(engine, name, space, match, n_recommendations)
    items = answer.items if answer is not None else ()
    index = (answer.index if answer is not None else None) or "exact"
    return Neighbors(match, name, space, index, items, tuple(engine.movie(i.movie_id) for i in items), fallback)


def _search(engine: Engine, name: str, space: str, match: Match, n: int) -> Answer | None:
    """The nearest movies by an index, or by exact search if there is none of its kind."""
    index = name if name in engine.indexes(space) else "exact"
    return engine.neighbors_in(space, match.movie.movie_id, n=n, index=index)
