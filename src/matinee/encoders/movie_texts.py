"""Texts of movies for the text encoder, the same in training and for new movies.

A text has two paragraphs, which the encoder encodes separately and averages: the overview, and a list of words
(keywords and tags, or else genres). In one paragraph the words would hardly change the mean of all tokens: on
development queries (`benchmarks/search.py`) the right movie was in the top ten for 78 %, against 69 % with one
paragraph. The title is only used if there is nothing else, because it hurts plot queries (58 % with the title first)
and title search is separate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.titles import other_titles

TEXT_DIM, TEXT_POWER, TEXT_CENTERED = 256, 0.25, False
"""Parameters of the projection of these texts (`Projection.fit`). Not centered, because movies with little text would
bias the mean. A whitening power of ¼ improves the first rank (MRR .54 → .57). Two thirds of the dimensions lose
nothing."""

FIELDS = ("title", "original_title", "alternate_titles", "genres", "tags", "keywords", "overview")
"""Columns used in the texts."""
MAX_WORDS = 30
"""Maximum number of keywords and of tags; the first ones are used."""

_SPOKEN = {"Sci-Fi": "science fiction", "Children": "children's film", "IMAX": ""}
"""Replacements of genre names that are not common words."""


def movie_text(movie: Mapping[str, Any]) -> str:
    """The text of a movie, one paragraph per line. Never empty if the movie has a title.

    Args:
        movie: its `FIELDS`: `overview` text or None, lists of `genres`, `keywords` and `tags`, and its titles.
    """
    overview = " ".join((movie["overview"] or "").split())
    words = ", ".join([*movie["keywords"][:MAX_WORDS], *movie["tags"][:MAX_WORDS]])
    genres = ", ".join(filter(None, (_SPOKEN.get(genre, genre.lower()) for genre in movie["genres"])))
    others = other_titles(movie["title"], movie.get("original_title"), movie.get("alternate_titles") or ())
    named = " ".join([movie["title"], *(f"({name})" for name in others)])
    parts = [overview, words or genres] if overview or words else [named, genres]
    return "\n".join(" ".join(part.split()) for part in parts if part.strip())


def movie_texts(catalog: Catalog, rows: NDArray[np.int64] | None = None) -> list[str]:
    """Texts of movies, in the order of `rows`; None: all movies."""
    columns = [catalog.column(name) for name in FIELDS]
    selected = range(len(catalog)) if rows is None else rows.tolist()
    return [movie_text({name: column[row] for name, column in zip(FIELDS, columns, strict=True)}) for row in selected]
