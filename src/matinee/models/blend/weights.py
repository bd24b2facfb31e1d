"""Weights of a blend's parts by the length of the history, learned on ratings kept back from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.ratings import Ratings
from matinee.models.base import Query
from matinee.models.preference import StarScale, dislike_ceiling, like_floor

Floats = NDArray[np.float32]

LENGTHS = (1, 3, 10, 30, 100)
"""Lengths of history at which weights are learned; linear in the logarithm between, constant beyond."""
_KNOTS = np.log(LENGTHS)
RIDGE = 0.003
"""Penalty on the squared differences of a part's weights from their mean; a tenth of it on the weights themselves."""
PULL = 0.1
"""Penalty on the squared distance of the weights at a length from the usual ones, up to scale."""
NEWCOMER_SHARE = 0.25
"""Share of the sampled users who are shown with few likes only, as newcomers are."""
MAX_NEWCOMER_LIKES = 25
"""Most likes that such a user is shown with."""
HISTORY_SHARE = 0.75
"""Share of the ratings that the others are shown with."""
MIN_HELD_OUT_LIKES = 8
"""Likes kept back from a user at least, for the user to be a newcomer."""
DISLIKED = -0.5
"""Gain of a disliked movie, where that of a liked one is 1."""


def basis(lengths: NDArray[np.integer[Any]]) -> Floats:
    """Shares of the weights at `LENGTHS` in those for histories of these lengths, (n, len(LENGTHS)), rows sum to 1."""
    position = np.log(np.clip(lengths, LENGTHS[0], LENGTHS[-1]))
    below = np.minimum(np.searchsorted(_KNOTS, position, side="right") - 1, len(_KNOTS) - 2)
    above = (position - _KNOTS[below]) / (_KNOTS[below + 1] - _KNOTS[below])
    shares = np.zeros((len(position), len(_KNOTS)), dtype=np.float32)
    each = np.arange(len(position))
    shares[each, below], shares[each, below + 1] = 1 - above, above
    return shares


@dataclass(frozen=True)
class HeldOut:
    """Ratings kept back to learn weights with.

    Attributes:
        train: what parts are fitted on.
        queries: histories of the sampled users.
        gains: (n_queries, n_items), 1 for movies to be ranked high, `DISLIKED` for those to be ranked low.
    """

    train: Ratings
    queries: list[Query]
    gains: sp.csr_matrix


def hold_out(ratings: Ratings, scale: StarScale, *, seed: int, max_users: int, likes_only: bool) -> HeldOut:
    """Keep back a quarter of the ratings of most sampled users, and all but a few likes of the others.

    Args:
        max_users: users sampled at most; of small data four fifths of the users at most, so that enough is left to
            learn from.
        likes_only: likes (above the user's mean and two thirds up the scale) are to be ranked high, dislikes low;
            False: all that is kept back is to be ranked high.
    """
    rng = np.random.default_rng(seed)
    sizes = np.diff(ratings.indptr)
    users = np.flatnonzero(sizes >= 2)
    users = rng.permutation(users)[: min(max_users, round(0.8 * len(users)))]
    floor, ceiling = like_floor((scale.low, scale.high)), dislike_ceiling((scale.low, scale.high))
    keep = np.ones(len(ratings), dtype=np.bool_)
    queries: list[Query] = []
    rows: list[NDArray[np.int64]] = []
    gains: list[NDArray[np.float32]] = []
    for number, user in enumerate(users.tolist()):
        start, stop = int(ratings.indptr[user]), int(ratings.indptr[user + 1])
        stars = ratings.values[start:stop]
        liked = np.full(len(stars), True) if scale.flat else (stars > stars.mean()) & (stars >= floor)
        in_history = np.zeros(len(stars), dtype=np.bool_)
        if number < NEWCOMER_SHARE * len(users) and liked.sum() > MIN_HELD_OUT_LIKES:
            max_likes = min(MAX_NEWCOMER_LIKES, int(liked.sum()) - MIN_HELD_OUT_LIKES)
            count = max(int(np.exp(rng.uniform(0, np.log(max_likes + 1)))), 1)
            in_history[rng.choice(np.flatnonzero(liked), count, replace=False)] = True
            keep[start:stop] = False
        else:
            in_history[rng.permutation(len(stars))[: max(round(HISTORY_SHARE * len(stars)), 1)]] = True
            keep[start:stop] = in_history
        movies = ratings.indices[start:stop].astype(np.int64)
        queries.append(Query(movies[in_history], stars[in_history], ratings.times[start:stop][in_history]))
        gain = np.where(liked, 1.0, np.where((stars <= ceiling) & (not scale.flat), DISLIKED, 0.0)).astype(np.float32)
        held_out = ~in_history & (gain != 0) if likes_only else ~in_history
        rows.append(movies[held_out])
        gains.append(gain[held_out] if likes_only else np.ones(int(held_out.sum()), dtype=np.float32))
    indptr = np.concatenate([[0], np.cumsum([len(movies) for movies in rows])]).astype(np.int64)
    indices = np.concatenate([*rows, np.zeros(0, dtype=np.int64)])
    values = np.concatenate([*gains, np.zeros(0, dtype=np.float32)])
    return HeldOut(
        ratings.select(keep), queries, sp.csr_matrix((values, indices, indptr), (len(rows), ratings.n_items))
    )


@dataclass(frozen=True)
class Examples:
    """Candidates of sampled users.

    Attributes:
        scores: (n, pool, n_parts) float32, each part's standardized scores.
        gains: (n, pool) float32, of each candidate.
        lengths: (n,), movies in each history.
    """

    scores: Floats
    gains: Floats
    lengths: NDArray[np.int64]

    @classmethod
    def joined(cls, batches: Sequence[Examples]) -> Examples:
        """One after another."""
        return cls(
            np.concatenate([batch.scores for batch in batches]),
            np.concatenate([batch.gains for batch in batches]),
            np.concatenate([batch.lengths for batch in batches]),
        )


def fit_weights(
    examples: Examples, usual: NDArray[np.float64], ridge: float = RIDGE, pull: float = PULL
) -> NDArray[np.float64] | None:
    """Non-negative weights, (n_parts, len(LENGTHS)), that rank relevant candidates first; None without examples.

    Multinomial logistic regression of which candidate is liked (the listwise loss of Cao et al. 2007, "Learning to
    Rank: From Pairwise Approach to Listwise Approach"), a disliked one counting against with half the weight. Each user
    counts by the root of the number of liked movies.
    A weight below 0 would make a part recommend what it advises against, so none is.

    Args:
        usual: (n_parts, len(LENGTHS)), weights that serve most data; those found are drawn towards multiples of them.
    """
    some = (examples.gains > 0).any(axis=1)
    if some.sum() < 2:
        return None
    scores, gains = examples.scores[some], examples.gains[some]
    shares = basis(examples.lengths[some])
    n_liked = (gains > 0).sum(axis=1)
    weight = n_liked**-0.5
    weight /= float((weight * n_liked).sum())
    total_gain = gains.sum(axis=1)
    shape = scores.shape[2], shares.shape[1]

    squares = np.maximum(np.square(usual).sum(axis=0), 1e-9)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        curves = flat.reshape(shape)
        logits = np.matmul(scores, (shares @ curves.T).astype(np.float32)[:, :, None])[:, :, 0]
        top = logits.max(axis=1, keepdims=True)
        chances = np.exp(logits - top)
        total = chances.sum(axis=1, keepdims=True)
        chances /= total
        value = float((weight * (total_gain * (np.log(total) + top)[:, 0] - (gains * logits).sum(axis=1))).sum())
        surplus = weight[:, None] * (total_gain[:, None] * chances - gains)
        slope = np.matmul(surplus[:, None, :], scores)[:, 0].T.astype(np.float64) @ shares
        mean = curves.mean(axis=1, keepdims=True)
        apart = curves - usual * ((curves * usual).sum(axis=0) / squares)
        value += ridge * float(np.square(curves - mean).sum() + 0.1 * np.square(curves).sum())
        value += pull * float(np.square(apart).sum())
        return value, (slope + 2 * ridge * (curves - mean) + 0.2 * ridge * curves + 2 * pull * apart).ravel()

    from scipy.optimize import minimize  # which serving does not need, and takes a quarter second to import

    start = np.full(shape[0] * shape[1], 0.3)
    result = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options={"maxiter": 200}
    )
    curves: NDArray[np.float64] = result.x.reshape(shape)
    return curves if np.isfinite(curves).all() and curves.any(axis=0).all() else None
