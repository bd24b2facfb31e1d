"""A title in, similar titles out, by FAISS, Annoy, HNSW or an exact search (classic.md, B3)."""

from __future__ import annotations

from dataclasses import dataclass

from matinee.classic.titles import Match, find_title
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.types import Answer, Item
from matinee.errors import InvalidInputError

MODELS = ("faiss", "annoy", "exact", "hnsw")
"""Indexes: which one is asked changes how the films are found, not which. The classic system had the first two."""
SPACES = ("content", "taste")
"""What makes films alike; the first where none is named."""


@dataclass(frozen=True)
class Neighbors:
    """Films similar to the one that a title was taken for.

    Attributes:
        model: the index, as asked.
        space: the space that answered: "content" or "taste".
        index: the index that answered; "exact" where the snapshot has none of the kind asked for, or one that misses
            films.
        fallback: "content" where nobody has rated the film, else None.
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
        model: "faiss", "annoy", "exact" or "hnsw", in any case; all find the same.
        n_recommendations: films wanted.
        movie_title: with or without the year.
        space: "content" (what films are about, also where None) or "taste" (who liked them).

    Raises:
        InvalidInputError: another model or space, or a number out of range.
        NotFoundError: no title comes near.
    """
    name = model.strip().lower()
    if name not in MODELS:
        raise InvalidInputError(f"There is no model {model[:40]!r}.", f"Use one of: {', '.join(MODELS)}.")
    if space not in (None, *SPACES):
        raise InvalidInputError(f"There is no space {space[:40]!r}.", f"Use {' or '.join(SPACES)}.")
    match = find_title(engine, movie_title)
    space = space or SPACES[0]
    answer, fallback = _asked(engine, name, space, match, n_recommendations), None
    if answer is None and space != SPACES[0]:
        space = fallback = SPACES[0]
        answer = _asked(engine, name, space, match, n_recommendations)
    items = answer.items if answer is not None else ()
    index = (answer.index if answer is not None else None) or "exact"
    return Neighbors(match, name, space, index, items, tuple(engine.movie(i.movie_id) for i in items), fallback)


def _asked(engine: Engine, name: str, space: str, match: Match, n: int) -> Answer | None:
    """The nearest films by an index, or by the exact one where there is none of its kind."""
    index = name if name in engine.indexes(space) else "exact"
    return engine.neighbours_in(space, match.movie.movie_id, n=n, index=index)
