"""The head of a list that is the same for many people, with genres in proportion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.models.charts import distinguished

COVER = 0.3
"""The default strength; chosen on validation data by `benchmarks/newcomers.py --validation`."""
POOL = 100
"""Movies that compete for the head, and whose genres set the proportions."""
HEAD = 20
"""Places that are filled with an eye on genres."""
_PAGE = 10
"""Places within which a genre is due its share."""


def cover_genres(
    rows: NDArray[np.int64], scores: NDArray[np.floating[Any]], genres: Sequence[Sequence[str]], strength: float = COVER
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Reorder movies so that the first positions are not all of one genre.

    Greedy: the next movie is the one of the highest score · Σ_g p(g | movie) · need(g), where p shares a movie evenly
    among its genres and need(g) = (1 + places that g has / places that it is due)^−strength; due to a genre are ten
    places times its share in the 100 best movies, weighted by score. (After Dang & Croft 2012, "Diversity by
    proportionality", and Santos et al. 2010, "Exploiting query reformulations for web search result diversification".)
    A shorter list is the beginning of a longer one.

    Args:
        rows: movies, best first, (n,).
        scores: of these, never increasing, (n,).
        genres: of each movie of the catalog, by row.
        strength: 0 leaves the order as it is.

    Returns:
        The rows in the new order, and scores that strictly decrease, float32, (n,).
    """
    values = np.asarray(scores, dtype=np.float64)
    if strength == 0 or len(rows) < 2:
        return rows, distinguished(values)
    values = values - min(0.0, float(values[-1]))
    pool = values[:POOL]
    shares = _shares([genres[row] for row in rows[:POOL].tolist()])
    due = pool @ shares
    due = _PAGE * due / max(float(due.sum()), np.finfo(np.float64).tiny)
    used = np.zeros(len(due))
    free = np.ones(len(pool), dtype=np.bool_)
    order: list[int] = []
    made: list[float] = []
    for _ in range(min(HEAD, len(pool))):
        worth = pool * (shares @ _need(used, due, strength))
        best = int(np.argmax(np.where(free, worth, -np.inf)))
        order.append(best)
        made.append(float(worth[best]))
        free[best] = False
        used += shares[best]
    # Needs only fall, so no movie that is left is worth more than the last that was taken.
    worth = pool * (shares @ _need(used, due, strength))
    rest = np.flatnonzero(free)
    rest = rest[np.argsort(-worth[rest], kind="stable")]
    head = np.concatenate([made, worth[rest]])
    tail = values[len(pool) :]
    if len(tail) and tail[0] > head[-1]:
        tail = tail * (head[-1] / tail[0])
    chosen = np.concatenate([np.array(order, dtype=np.int64), rest, np.arange(len(pool), len(rows))])
    return rows[chosen], distinguished(np.concatenate([head, tail]))


def _need(used: NDArray[np.float64], due: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.where(used > 0, used / due, 0.0)
    return np.asarray((1.0 + over) ** -strength, dtype=np.float64)


def _shares(genres: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """(n_movies, n_genres), rows sum to 1; movies without genres share one of their own."""
    number: dict[str, int] = {}
    pairs = [
        (movie, number.setdefault(name, len(number))) for movie, names in enumerate(genres) for name in names or [""]
    ]
    shares = np.zeros((len(genres), len(number)))
    movies, columns = np.array(pairs, dtype=np.int64).T
    shares[movies, columns] = 1.0
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
