"""A few favorite films in, titles out (classic.md, B2)."""

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
from matinee.data.load import read_movies_table
from matinee.engine import Engine, Request
from matinee.engine.search.rank_fusion import fuse
from matinee.engine.types import Answer, Item
from matinee.errors import InvalidInputError

Algorithm = Literal["content", "collab"]

_DEEPER = 10
"""The lists that are fused are this much longer than the answer."""


class ColdFilmWarning(UserWarning):
    """A favorite has no ratings: what it is about counts in place of who liked it."""


@dataclass(frozen=True)
class Favorites:
    """What a few favorite films led to.

    Attributes:
        model: "content" or "collab", as asked.
        matched: the film of each favorite, in the order given, and how well its title fits.
        movies: the films found, best first, favorites left out.
        cold: favorites that nobody has rated, each once; the content model notices none.
        fallback: "content" where it stood in for favorites that nobody has rated, "popular" where nothing is known
            of any favorite.
    """

    model: Algorithm
    matched: tuple[Match, ...]
    movies: tuple[Movie, ...]
    cold: tuple[Movie, ...]
    fallback: str | None


def recommend_favorites(engine: Engine, matched: Sequence[Match], model: Algorithm, top_n: int = 10) -> Favorites:
    """Films for somebody who likes these films.

    Args:
        matched: the favorites; repetitions are fine.
        model: "content" (films about the same things) or "collab" (films that those like who like these; favorites
            that nobody has rated count by their content).
        top_n: films wanted.

    Raises:
        InvalidInputError: `top_n` out of range.
        UnknownMovieError, UnknownModelError: a film was removed meanwhile; the snapshot has no content model.
    """
    films = list({match.movie.movie_id: match.movie for match in matched}.values())
    cold = [] if model == "content" else [movie for movie in films if not engine.is_rated(movie.movie_id)]
    warm = [movie for movie in films if movie not in cold]
    fallback: str | None
    if cold and warm:
        items, fallback = _fused(engine, warm, cold, top_n), "content"
    else:
        answer = _ask(engine, films, "content" if cold or model == "content" else None, top_n)
        items, fallback = list(answer.items), answer.fallback or ("content" if cold else None)
    movies = tuple(engine.movie(item.movie_id) for item in items)
    return Favorites(model, tuple(matched), movies, tuple(cold), fallback)


def _fused(engine: Engine, warm: Sequence[Movie], cold: Sequence[Movie], top_n: int) -> list[Item]:
    """Two lists whose scores say nothing to each other: fused by rank, each with the weight of its films."""
    depth = min(_DEEPER * top_n, engine.settings.max_n)
    lists = {
        "warm": _ask(engine, warm, None, depth, [movie.movie_id for movie in cold]).items,
        "cold": _ask(engine, cold, "content", depth, [movie.movie_id for movie in warm]).items,
    }
    found = list({item.movie_id: item for items in lists.values() for item in items}.values())
    # Fused by their places here in place of rows of the catalog: ties go to what the warm ones bring.
    places = {item.movie_id: place for place, item in enumerate(found)}
    ranked = {name: [(places[item.movie_id], item.score) for item in items] for name, items in lists.items()}
    best = fuse(ranked, {"warm": len(warm), "cold": len(cold)}, top_n)
    return [found[place] for place, _, _ in best]


def _ask(engine: Engine, films: Sequence[Movie], model: str | None, n: int, exclude: Sequence[str] = ()) -> Answer:
    return engine.recommend_for(
        {movie.movie_id: engine.scale[1] for movie in films}, Request(n=n, model=model, exclude=tuple(exclude))
    )


# --- the functions of the earlier system ------------------------------------------------------------------------
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
    return [named(movie) for movie in _favorites(movie_list, "content", top_n).movies]


def collab_model(movie_list: Sequence[str], top_n: int = 10) -> list[str]:
    """Titles of the films that those like who like these; arguments and errors as `content_model`.

    All films count: one that nobody has rated counts by its content, with a `ColdFilmWarning`.
    """
    found = _favorites(movie_list, "collab", top_n)
    if found.cold:
        names = ", ".join(named(movie) for movie in found.cold)
        warnings.warn(f"Nobody has rated {names}: content counts instead.", ColdFilmWarning, stacklevel=2)
    return [named(movie) for movie in found.movies]


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


def _favorites(movie_list: Sequence[str], model: Algorithm, top_n: int) -> Favorites:
    if isinstance(movie_list, str) or not movie_list:
        raise InvalidInputError("There are no favourite films.", 'Give a list of titles, e.g. ["Toy Story (1995)"].')
    engine = _engine()
    return recommend_favorites(engine, [find_title(engine, title) for title in movie_list], model, top_n)
