"""Functions of the classic systems, with frozen names and signatures (classic.md, B2 and B3).

    >>> from matinee.classic import content_model, collab_model, load_movie_titles
    >>> content_model(["Toy Story (1995)", "Alien (1979)", "Heat (1995)"])  # doctest: +SKIP

They use the current snapshot of the data folder, which is opened on first use.
"""

from __future__ import annotations

from matinee.classic.favorites import (
    ColdFilmWarning,
    Favorites,
    collab_model,
    content_model,
    load_movie_titles,
    recommend_favorites,
)
from matinee.classic.neighbors import Neighbors, recommend_similar
from matinee.classic.titles import Match, find_title, named
from matinee.data.titles import with_year as titled

__all__ = [
    "ColdFilmWarning",
    "Favorites",
    "Match",
    "Neighbors",
    "collab_model",
    "content_model",
    "find_title",
    "load_movie_titles",
    "named",
    "recommend_favorites",
    "recommend_similar",
    "titled",
]
