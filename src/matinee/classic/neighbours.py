"""A title in, similar titles out, by FAISS, Annoy, HNSW or an exact search (CONTRACTS B3)."""

from __future__ import annotations

from dataclasses import dataclass

from matinee.classic.titles import Match, find_title
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.types import Item
from matinee.errors import InvalidInputError

MODELS = {"faiss": "content", "annoy": "taste", "exact": "content", "hnsw": "content"}
"""Index → the space that it searches where none is named: principal components of the content, or SVD factors of the
ratings. The classic system had the first two."""
SPACES = ("content", "taste")


@dataclass(frozen=True)
class Neighbours:
    """Films similar to the one that a title was taken for.

    Attributes:
        model: the index, as asked.
        space: the space that answered: "content" or "taste".
        index: the index that answered; "exact" where the snapshot has none of the kind asked for.
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
) -> Neighbours:
    """The classic title search.

    Args:
        model: "faiss", "exact", "hnsw" (what films are about) or "annoy" (who liked them), in any case.
        n_recommendations: films wanted.
        movie_title: with or without the year.
        space: "content" or "taste" in place of the model's own.

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
    space = space or MODELS[name]
    index = name if name in engine.indexes(space) else "exact"
    answer = engine.neighbours_in(space, match.movie.movie_id, n=n_recommendations, index=index)
    fallback = None
    if answer is None and space != "content":
        space, fallback = "content", "content"
        index = name if name in engine.indexes(space) else "exact"
        answer = engine.neighbours_in(space, match.movie.movie_id, n=n_recommendations, index=index)
    items = answer.items if answer is not None else ()
    return Neighbours(match, name, space, index, items, tuple(engine.movie(i.movie_id) for i in items), fallback)
