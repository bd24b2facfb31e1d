"""A few favourite films in, titles out (CONTRACTS B2)."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

from matinee.classic.titles import find_title, named
from matinee.data.catalog import Movie
from matinee.data.load import read_movies_table
from matinee.engine import Engine, Request
from matinee.engine.types import Answer
from matinee.errors import InvalidInputError

_RANKS = 60
"""Constant of reciprocal rank fusion."""
_DEEPER = 10
"""The lists that are fused are this much longer than the answer."""


class ColdFilmWarning(UserWarning):
    """A favourite has no ratings: what it is about counts in place of who liked it."""


_lock = threading.Lock()
_engines: dict[int, Engine] = {}


def _engine() -> Engine:
    """The engine of this process (a forked child opens its own), closed at the end."""
    with _lock:
        found = _engines.get(os.getpid())
        if found is None:
            found = _engines[os.getpid()] = Engine.open()
            atexit.register(found.close)
        return found


def content_model(movie_list: Sequence[str], top_n: int = 10) -> list[str]:
    """Titles of the films that are about the same things as these, most alike first.

    Args:
        movie_list: titles as "Title (Year)"; repetitions are fine, typing errors are forgiven.
        top_n: titles wanted.

    Raises:
        NotFoundError: a title that comes near no film.
        InvalidInputError: an empty list, or `top_n` out of range.
        SnapshotError: nothing was trained yet.
    """
    engine, films = _favourites(movie_list)
    return _titles(engine, _ask(engine, films, "content", top_n))


def collab_model(movie_list: Sequence[str], top_n: int = 10) -> list[str]:
    """Titles of the films that those like who like these; arguments and errors as `content_model`.

    All films count: one that nobody has rated counts by its content, with a `ColdFilmWarning`.
    """
    engine, films = _favourites(movie_list)
    cold = [movie for movie in films if not engine.is_rated(movie.movie_id)]
    if not cold:
        return _titles(engine, _ask(engine, films, None, top_n))
    names = ", ".join(named(movie) for movie in cold)
    warnings.warn(f"Nobody has rated {names}: content counts instead.", ColdFilmWarning, stacklevel=2)
    warm = [movie for movie in films if movie not in cold]
    if not warm:
        return _titles(engine, _ask(engine, cold, "content", top_n))
    # Two lists whose scores say nothing to each other: fused by rank, each with the weight of its films.
    depth = min(_DEEPER * top_n, engine.settings.max_n)
    shares: dict[str, float] = {}
    for part, model in ((warm, None), (cold, "content")):
        others = [movie.movie_id for movie in films if movie not in part]
        for item in _ask(engine, part, model, depth, others).items:
            shares[item.movie_id] = shares.get(item.movie_id, 0.0) + len(part) / (_RANKS + item.rank)
    ranked = sorted(shares, key=lambda movie_id: -shares[movie_id])
    return [named(engine.movie(movie_id)) for movie_id in ranked[:top_n]]


def load_movie_titles(path_to_movies: str | Path) -> list[str]:
    """Titles of a table of films (CSV, TSV, Parquet, NDJSON), as "Title (Year)", in its order.

    Raises:
        DataError: the file is absent, broken, or has no titles.
    """
    frame = read_movies_table(Path(path_to_movies))
    years = frame["year"].to_list() if "year" in frame.columns else [None] * frame.height
    return [
        f"{title} ({year})" if year is not None else str(title)
        for title, year in zip(frame["title"].to_list(), years, strict=True)
    ]


def _favourites(movie_list: Sequence[str]) -> tuple[Engine, list[Movie]]:
    if isinstance(movie_list, str) or not movie_list:
        raise InvalidInputError("There are no favourite films.", 'Give a list of titles, e.g. ["Toy Story (1995)"].')
    engine = _engine()
    found = {(movie := find_title(engine, title).movie).movie_id: movie for title in movie_list}
    return engine, list(found.values())


def _ask(engine: Engine, films: Sequence[Movie], model: str | None, n: int, exclude: Sequence[str] = ()) -> Answer:
    return engine.recommend_for(
        {movie.movie_id: None for movie in films}, Request(n=n, model=model, exclude=tuple(exclude))
    )


def _titles(engine: Engine, answer: Answer) -> list[str]:
    return [named(engine.movie(item.movie_id)) for item in answer.items]
