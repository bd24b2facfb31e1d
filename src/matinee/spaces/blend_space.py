"""The blend space: √w·taste concatenated with √(1 − w)·content, so that its cosines are weighted means of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.data.vectors import MovieVectors
from matinee.snapshots.spaces import lifted

Floats = NDArray[np.float32]

TASTE_WEIGHT = 0.2
"""w above, a compromise between finding held-out ratings and ranking series first. ml-latest-small, random 80:20, two
splits (`benchmarks/neighbors.py --weights`); held-out ratings among the ten nearest neighbors of a user's other movies,
the same weighted by rarity, share of a movie's series that ranks first: content .043, .0100, .98; w = .1 .053, .0107,
.97; .2 .060, .0110, .88; .3 .066, .0113, .73; ½ .070, .0110, .46; taste .069, .0105, .07. By similarities of models
instead of spaces: content .041, .0102, .56; edlae (taste) .068, .0080, .15."""


def blended(taste: Floats, content: Floats) -> Floats:
    """Lifted unit vectors, (n, n_taste + n_content + 1).

    An unrated movie has its full content vector, so that it is found among movies that have both parts: its similarity
    to these is √(1 − w)·content, as if its taste similarity were about half its content similarity.

    Args:
        taste: (n, n_taste), lengths at most 1; 0 for unrated movies.
        content: (n, n_content), likewise; 0 for movies without features.
    """
    rated = (taste != 0).any(axis=1, keepdims=True)
    share = np.where(rated, np.sqrt(1 - TASTE_WEIGHT), 1.0)
    return lifted(np.hstack([taste * np.sqrt(TASTE_WEIGHT), content * share]).astype(np.float32))


def blend_movies(taste: MovieVectors, content: MovieVectors) -> MovieVectors:
    """The movies of either space, both lifted."""
    rows = np.union1d(taste.rows, content.rows)
    parts = []
    for movies in (taste, content):
        part = np.zeros((len(rows), movies.dim - 1), dtype=np.float32)
        part[np.searchsorted(rows, movies.rows)] = movies.vectors[:, :-1]
        parts.append(part)
    return MovieVectors(rows, blended(*parts))
