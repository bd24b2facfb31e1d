"""Training of `RecommenderNet`: minibatches, a learning-rate schedule, early stopping on a validation part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.errors import MatineeError
from matinee.models.neural.backend import padded
from matinee.models.neural.dense import Floats, sigmoid
from matinee.models.neural.early_stopping import EarlyStopping
from matinee.models.neural.keras_network import Parameters, Shape, initial, movie_side, program
from matinee.models.neural.rating_table import RatingTable
from matinee.models.neural.schedule import Schedule, learning_rates

_FEW, _STEPS = 32, 32
"""Smallest batch, and the number of steps that an epoch has at least where there are ratings enough."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        epochs: over which the learning rate falls.
        stop: epochs that are run; None: as many as `epochs`.
        patience: epochs without a lower validation loss after which it ends.
    """

    epochs: int
    batch_size: int
    rate: float
    schedule: Schedule
    patience: int
    seed: int
    stop: int | None = None


@dataclass(frozen=True)
class Trained:
    """Weights by name of the best epoch, its number, and the losses on the validation part after each epoch."""

    weights: Parameters
    epochs: int
    losses: tuple[float, ...]


def batch_size_for(asked: int, n_ratings: int) -> int:
    """The batch size asked for, halved until an epoch has some steps."""
    size = asked
    while size > _FEW and size * _STEPS > n_ratings:
        size //= 2
    return max(size, 1)


def predict(weights: Parameters, hidden: int, features: Floats, rated: NDArray[np.bool_], rows: RatingTable) -> Floats:
    """y of ratings by the trained vectors of their users, without Keras, (n,)."""
    vectors, biases = movie_side(weights, features, rated, hidden)
    logit = weights["sessions_bias/bias"][0] + rows.sessions @ weights["sessions_bias/kernel"][:, 0]
    logit = logit + weights["user_bias/embeddings"][rows.users, 0] + biases[rows.movies]
    logit = logit + np.einsum("nd,nd->n", weights["users/embeddings"][rows.users], vectors[rows.movies])
    return sigmoid(logit.astype(np.float32))


def entropy(targets: Floats, predicted: Floats) -> float:
    """Mean binary cross-entropy of targets from 0 to 1."""
    sure = np.clip(predicted.astype(np.float64), 1e-6, 1 - 1e-6)
    return float(-(targets * np.log(sure) + (1 - targets) * np.log(1 - sure)).mean())


def train(
    shape: Shape,
    plan: Plan,
    features: Floats,
    table: RatingTable,
    validation: RatingTable | None,
    on_epoch: Callable[[int, float | None], None],
) -> Trained:
    """Train a network.

    Args:
        features: of the movies, (n_items, n_features or fewer).
        table: ratings to learn from, at least one.
        validation: ratings to stop by; None: all epochs are run.
        on_epoch: called with the number of epochs done and the loss on the validation part.
    """
    import jax
    import jax.numpy as jnp

    made = program(shape)
    n, size = len(table), batch_size_for(plan.batch_size, len(table))
    rated = np.bincount(table.movies, minlength=len(features)) > 0
    content = np.zeros((shape.n_movies, shape.n_features), dtype=np.float32)
    content[: len(features), : features.shape[1]] = features
    weights, other = initial(made, plan.seed, float(table.targets.mean()))
    arrays = ([weights[name] for name in made.names], other, made.optimizer_state)
    state = jax.tree.map(jnp.array, arrays)  # copies, as the step overwrites them
    device_content = jnp.asarray(content)
    steps = -(-n // size)
    rates = learning_rates(plan.schedule, plan.rate, steps * plan.epochs)
    rng = np.random.default_rng(plan.seed)
    stopping, losses, best = EarlyStopping(plan.patience), [], None
    epochs = plan.epochs if plan.stop is None else plan.stop
    for epoch in range(epochs):
        order = np.zeros(steps * size, dtype=np.int64)
        order[:n] = rng.permutation(n)
        counts = (np.arange(steps * size) < n).astype(np.float32)
        for step in range(steps):
            part = slice(step * size, (step + 1) * size)
            rows = order[part]
            batch = (table.users[rows], table.movies[rows], table.sessions[rows], table.targets[rows], counts[part])
            state = made.step(state, device_content, batch, rates[epoch * steps + step])
        loss = None
        if validation is not None:
            found = _weights(made.names, state)
            loss = entropy(validation.targets, predict(found, len(shape.hidden), features, rated, validation))
            losses.append(loss)
            if stopping.improved(loss):
                best = found
        on_epoch(epoch + 1, loss)
        if validation is not None and stopping.enough:
            break
    done = stopping.best_round if best is not None else epochs
    found = best if best is not None else _weights(made.names, state)
    if not all(np.isfinite(value).all() for value in found.values()):
        raise MatineeError("Training diverged: the weights are not finite.", "Lower learning_rate.")
    return Trained(found, done, tuple(losses))


def _weights(names: tuple[str, ...], state: tuple[list[Floats], object, object]) -> Parameters:
    return {name: np.array(value, dtype=np.float32) for name, value in zip(names, state[0], strict=True)}


def shape_of(n_users: int, n_movies: int, n_features: int, **settings: object) -> Shape:
    """A shape with room for these, so that like data share a program."""
    return Shape(
        n_users=padded(n_users, 128),
        n_movies=padded(n_movies, 128),
        n_features=padded(n_features, 32) if n_features else 0,
        **settings,  # type: ignore[arg-type]
    )
