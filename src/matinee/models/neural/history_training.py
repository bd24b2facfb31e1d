"""Training of networks over histories: minibatches of users, early stopping by what is held out of some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.models.neural.backend import padded
from matinee.models.neural.dense import Floats
from matinee.models.neural.early_stopping import EarlyStopping

Weights = dict[str, Floats]

ROOM = 128
"""Movies are padded to a multiple of this, so that like data share a compiled program."""
_FEW, _STEPS = 8, 8
_HOLDERS, _SHARE = 1000, 0.2
"""Users of whom something is held out, at most, and how much of the history of each."""
_DEPTH = 20
"""Length of the lists that are measured."""


class Trainer:
    """The part of a network that is trained. Subclasses compile steps, and keep what those need.

    Attributes:
        weights: arrays of JAX, by name.
    """

    weights: Any

    def epoch(self, batches: Callable[[], Iterator[Batch]], key: Any, done: float) -> None:
        """One pass over the users, or several.

        Args:
            batches: another pass in another order at each call.
            key: of JAX' random numbers.
            done: share of the epochs that are done.
        """
        raise NotImplementedError


class Batch(NamedTuple):
    """Histories of some users, (size, padded items), and which of these rows are users at all, (size,)."""

    histories: Floats
    counts: Floats


@dataclass(frozen=True)
class Held:
    """Histories to learn from, and those to stop by with what is held out of them, of the same users."""

    train: sp.csr_matrix
    shown: sp.csr_matrix
    asked: sp.csr_matrix


def hold_out(matrix: sp.csr_matrix, seed: int, share_of_users: float) -> Held:
    """Take a fifth of the history of some users out of the training.

    Args:
        share_of_users: of those with 5 movies or more; 0: nothing is held out.
    """
    rng = np.random.default_rng(seed)
    sizes = np.diff(matrix.indptr)
    able = np.flatnonzero(sizes >= 5)
    users = np.sort(rng.permutation(able)[: min(int(share_of_users * len(able)), _HOLDERS)])
    out = np.zeros(matrix.nnz, dtype=np.bool_)
    for user in users:
        span = np.arange(matrix.indptr[user], matrix.indptr[user + 1])
        out[rng.permutation(span)[: max(int(_SHARE * len(span)), 1)]] = True
    train, asked = _select(matrix, ~out), _select(matrix, out)
    return Held(train, train[users], asked[users])


def _select(matrix: sp.csr_matrix, keep: NDArray[np.bool_]) -> sp.csr_matrix:
    before = np.concatenate([[0], np.cumsum(keep)])
    return sp.csr_matrix((matrix.data[keep], matrix.indices[keep], before[matrix.indptr]), shape=matrix.shape)


def ndcg(scores: Floats, shown: sp.csr_matrix, asked: sp.csr_matrix) -> float:
    """Mean nDCG@20 of the movies held out, those shown left out."""
    scores = scores.copy()
    rows = np.repeat(np.arange(shown.shape[0]), np.diff(shown.indptr))
    scores[rows, shown.indices] = -np.inf
    depth = min(_DEPTH, scores.shape[1])
    best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable"), 1)
    hits = np.take_along_axis(asked.toarray() > 0, best, 1)
    gains = 1 / np.log2(np.arange(depth) + 2)
    ideal = np.concatenate([[0], np.cumsum(gains)])[np.minimum(np.diff(asked.indptr), depth)]
    return float(((hits * gains).sum(axis=1) / np.maximum(ideal, 1e-9)).mean())


def batch_size_for(asked: int, n_users: int) -> int:
    """The batch size asked for, halved until an epoch has some steps."""
    size = asked
    while size > _FEW and size * _STEPS > n_users:
        size //= 2
    return max(size, 1)


def train(
    trainer: Trainer,
    matrix: sp.csr_matrix,
    *,
    score: Callable[[Weights, sp.csr_matrix], Floats],
    epochs: int,
    patience: int,
    batch_size: int,
    validation: float,
    seed: int,
    on_epoch: Callable[[int, float | None], None],
) -> tuple[Weights, int]:
    """Train, and return the weights of the best epoch and its number.

    Args:
        matrix: histories, (n_users, k).
        score: the forward pass for serving, which is also what is measured.
        validation: share of the users of whom something is held out.
        on_epoch: called with the number of epochs done and the nDCG of what is held out.
    """
    import jax

    held = hold_out(matrix, seed, validation)
    users = np.flatnonzero(np.diff(held.train.indptr))
    size, width = batch_size_for(batch_size, len(users)), padded(matrix.shape[1], ROOM)
    rng = np.random.default_rng(seed)

    def batches() -> Iterator[Batch]:
        order = rng.permutation(users)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            histories = np.zeros((size, width), dtype=np.float32)
            histories[: len(rows), : matrix.shape[1]] = held.train[rows].toarray()
            yield Batch(histories, (np.arange(size) < len(rows)).astype(np.float32))

    key = jax.random.PRNGKey(seed)
    stopping, best = EarlyStopping(patience), None
    for epoch in range(epochs):
        trainer.epoch(batches, jax.random.fold_in(key, epoch), epoch / epochs)
        figure = None
        if held.asked.nnz:
            found = numpy_weights(trainer.weights)
            figure = ndcg(score(found, held.shown), held.shown, held.asked)
            if stopping.improved(-figure):
                best = found
        on_epoch(epoch + 1, figure)
        if best is not None and stopping.enough:
            break
    if best is None:
        return numpy_weights(trainer.weights), epochs
    return best, stopping.best_round


def numpy_weights(weights: Any) -> Weights:
    """Copies of arrays of JAX."""
    return {name: np.array(value, dtype=np.float32) for name, value in weights.items()}
