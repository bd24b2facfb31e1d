"""Recommendations from a few favorite movies (classic.md, B2)."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matinee.classic.titles import Match, find_title, named
from matinee.data.catalog import Movie
from matinee.data.titles import with_year
from matinee.engine import Engine, Request
from matinee.engine.search.rank_fusion import fuse
from matinee.engine.types import Answer, Item
from matinee.errors import InvalidInputError

Algorithm = Literal["content", "collab"]

_DEEPER = 10
"""Length of the fused lists, as a multiple of the result's length."""


class ColdFilmWarning(UserWarning):
    """A favorite has no ratings, so that its content is used instead of collaborative filtering."""


@dataclass(frozen=True)
class Favorites:
    """Recommendations from favorites.

    Attributes:
        model: the requested model, "content" or "collab".
        matched: the matched movie of each favorite, in the given order.
        movies: the recommended movies, best first, without the favorites.
        cold: distinct favorites without ratings; empty for the content model.
        fallback: "content" if it was used for favorites without ratings, "popular" if nothing is known about any.
    """

    model: Algorithm
    matched: tuple[Match, ...]
    movies: tuple[Movie, ...]
    cold: tuple[Movie, ...]
    fallback: str | None


def recommend_favorites(engine: Engine, matched: Sequence[Match], model: Algorithm, top_n: int = 10) -> Favorites:
    """Recommend movies to a user who likes the given ones.

    Args:
        matched: the favorites; repetitions are ignored.
        model: "content" (content-based) or "collab" (collaborative; favorites without ratings count by content).
        top_n: number of movies.

    Raises:
        InvalidInputError: `top_n` is out of range.
        UnknownMovieError: a movie was removed in the meantime.
        UnknownModelError: the snapshot has no content model.
    """
    liked = list({match.movie.movie_id: match.movie for match in matched}.values())
    cold = [] if model == "content" else [movie for movie in liked if not engine.is_rated(movie.movie_id)]
    warm = [movie for movie in liked if movie not in cold]
    fallback: str | None
    if cold and warm:
        items, fallback = _fused(engine, warm, cold, top_n), "content"
    else:
        answer = _ask(engine, liked, "content" if cold or model == "content" else None, top_n)
        items, fallback = list(answer.items), answer.fallback or ("content" if cold else None)
    movies = tuple(engine.movie(item.movie_id) for item in items)
    return Favorites(model, tuple(matched), movies, tuple(cold), fallback)


def _fused(engine: Engine, warm: Sequence[Movie], cold: Sequence[Movie], top_n: int) -> list[Item]:
    """Fuse the lists of two models by rank, weighted by numbers of favorites. Their scores are not comparable."""
    depth = min(_DEEPER * top_n, engine.settings.max_n)
    lists = {
        "warm": _ask(engine, warm, None, depth, [movie.movie_id for movie in cold]).items,
        "cold": _ask(engine, cold, "content", depth, [movie.movie_id for movie in warm]).items,
    }
    candidates = list({item.movie_id: item for items in lists.values() for item in items}.values())
    # Positions in this list are used instead of catalog rows, so that ties go to items of the warm list.
    positions = {item.movie_id: position for position, item in enumerate(candidates)}
    ranked = {name: [(positions[item.movie_id], item.score) for item in items] for name, items in lists.items()}
    best = fuse(ranked, {"warm": len(warm), "cold": len(cold)}, top_n)
    return [candidates[position] for position, _, _ in best]


def _ask(engine: Engine, liked: Sequence[Movie], model: str | None, n: int, exclude: Sequence[str] = ()) -> Answer:
    return engine.recommend_for(
        {movie.movie_id: engine.scale[1] for movie in liked}, Request(n=n, model=model, exclude=tuple(exclude))
    )


# --- the classic functions --------------------------------------------------------------------------------------
_lock = threading.Lock()
_engines: dict[int, Engine] = {}


def _engine() -> Engine:
    """The engine of this process, closed at exit. A forked child opens its own."""
    with _lock:
        engine = _engines.get(os.getpid())
        if engine is None:
            engine = _engines[os.getpid()] = Engine.open()
            atexit.register(engine.close)
        return engine


def content_model(movie_list: Sequence[str], top_n: int = 10) -> list[str]:
    """Titles of movies with similar content, most similar first.

    Args:
        movie_list: titles as "Title (Year)"; repetitions are ignored and typos tolerated.
        top_n: number of titles.

    Raises:
        NotFoundError: a title does not match any movie.
        InvalidInputError: the list is empty, or `top_n` is out of range.
        SnapshotError: there is no trained snapshot.
    """
    return [named(movie) for movie in _favorites(movie_list, "content", top_n).movies]


def collab_model(movie_list: Sequence[str], top_n: int = 10) -> list[str]:
    """Titles of movies that users like who like the given ones; arguments and errors as `content_model`.

    A movie without ratings counts by its content, with a `ColdFilmWarning`.
    """
    result = _favorites(movie_list, "collab", top_n)
    if result.cold:
        names = ", ".join(named(movie) for movie in result.cold)
        warnings.warn(f"There are no ratings of {names}: content is used instead.", ColdFilmWarning, stacklevel=2)
    return [named(movie) for movie in result.movies]


def load_movie_titles(path_to_movies: str | Path) -> list[str]:
    """Titles of a table of movies (CSV, TSV, Parquet, NDJSON), as "Title (Year)", in order.

    Raises:
        DataError: the file is missing, damaged, or has no titles.
    """
    from matinee.data.load import read_movies_table

    frame = read_movies_table(Path(path_to_movies))
    years = frame["year"].to_list() if "year" in frame.columns else [None] * frame.height
    return [with_year(str(title), year) for title, year in zip(frame["title"].to_list(), years, strict=True)]


def _favorites(movie_list: Sequence[str], model: Algorithm, top_n: int) -> Favorites:
    if isinstance(movie_list, str) or not movie_list:
        raise InvalidInputError("There are no favorite films.", 'Give a list of titles, e.g. ["Toy Story (1995)"].')
    engine = _engine()
    return recommend_favorites(engine, [find_title(engine, title) for title in movie_list], model, top_n)
