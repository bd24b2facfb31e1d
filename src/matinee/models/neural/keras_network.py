"""The network of `RecommenderNet`, in Keras, and one step of its training.

Keras' own `fit` would compile a program for every fit. Its stateless calls allow one for all networks of a shape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee.models.neural.backend import import_keras
from matinee.models.neural.dense import Floats, relu
from matinee.models.neural.session_features import BANDWIDTHS

WHAT = "Training RecommenderNet"
Parameters = dict[str, Floats]


class Shape(NamedTuple):
    """What tells one program from another.

    Attributes:
        dim: of the vectors of users and movies.
        hidden: widths of the layers between a movie's embedding and its vector.
        dropout: share of a movie's vector that is left out in training.
        l1: on the vectors' entries, for each rating.
        l2: on the vectors' entries, for each rating.
        bias_l2: on the biases, for each rating.
        feature_l2: on the weights of the features, once a step.
    """

    n_users: int
    n_movies: int
    n_features: int
    dim: int
    hidden: tuple[int, ...]
    dropout: float
    l1: float
    l2: float
    bias_l2: float
    feature_l2: float


class Program(NamedTuple):
    """A network without weights, and its compiled step.

    Attributes:
        model: the Keras model, of (user, movie, movie's features, time features) → y.
        names: of the trainable variables, e.g. "users/embeddings".
        step: (variables, batch) → variables, see `_compile`.
        optimizer_state: of a fresh optimizer.
        other_state: of what is not trained: the seeds of the dropout.
    """

    model: Any
    names: tuple[str, ...]
    step: Callable[..., Any]
    optimizer_state: list[NDArray[Any]]
    other_state: list[NDArray[Any]]


@lru_cache(maxsize=4)
def program(shape: Shape) -> Program:
    """The program of a shape.

    Raises:
        MissingExtraError: Keras or JAX is not installed.
    """
    keras = import_keras(WHAT)
    model = _build(keras, shape)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    rate = next(n for n, variable in enumerate(optimizer.variables) if "learning_rate" in variable.path)
    return Program(
        model,
        tuple(variable.path for variable in model.trainable_variables),
        _compile(model, optimizer, rate),
        [np.array(variable.value) for variable in optimizer.variables],
        [np.array(variable.value) for variable in model.non_trainable_variables],
    )


def _build(keras: Any, shape: Shape) -> Any:
    """The model; its weights are 0, as `initial` gives others and each random one would compile a program."""
    layers = keras.layers
    penalty = keras.regularizers.L1L2(l1=shape.l1, l2=shape.l2)
    bias_penalty = keras.regularizers.L2(shape.bias_l2)
    feature_penalty = keras.regularizers.L2(shape.feature_l2)
    user = keras.Input((), dtype="int32", name="user")
    movie = keras.Input((), dtype="int32", name="movie")
    features = keras.Input((shape.n_features,), name="features")
    sessions = keras.Input((len(BANDWIDTHS),), name="sessions")

    def embedding(count: int, dim: int, name: str, regularizer: Any) -> Any:
        # The penalty is on what a batch looks up: it grows with the number of ratings.
        return layers.Embedding(count, dim, "zeros", name=name, activity_regularizer=regularizer)

    dense_layer = partial(layers.Dense, kernel_initializer="zeros")
    users = embedding(shape.n_users, shape.dim, "users", penalty)(user)
    movies = embedding(shape.n_movies, shape.dim, "movies", penalty)(movie)
    if shape.n_features:
        dense = dense_layer(shape.dim, use_bias=False, kernel_regularizer=feature_penalty, name="features_vector")
        movies = layers.Add()([movies, dense(features)])
    if shape.hidden:
        deep = movies
        for number, width in enumerate(shape.hidden):
            deep = dense_layer(width, activation="relu", name=f"hidden_{number}")(deep)
        movies = layers.Add()([movies, dense_layer(shape.dim, name="hidden_out")(deep)])
    if shape.dropout:
        movies = layers.Dropout(shape.dropout)(movies)
    logit = [
        layers.Dot(axes=1, name="product")([users, movies]),
        embedding(shape.n_users, 1, "user_bias", bias_penalty)(user),
        embedding(shape.n_movies, 1, "movie_bias", bias_penalty)(movie),
        dense_layer(1, name="sessions_bias")(sessions),  # its own bias is the mean
    ]
    if shape.n_features:
        dense = dense_layer(1, use_bias=False, kernel_regularizer=feature_penalty, name="features_bias")
        logit.append(dense(features))
    output = layers.Activation("sigmoid", name="rating")(layers.Add()(logit))
    return keras.Model([user, movie, features, sessions], output)


def _compile(model: Any, optimizer: Any, rate_position: int) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def loss(trained: Any, other: Any, inputs: Any, targets: Any, weights: Any) -> Any:
        found, other, penalties = model.stateless_call(trained, other, inputs, training=True, return_losses=True)
        found = jnp.clip(found[:, 0], 1e-6, 1 - 1e-6)
        entropy = -(targets * jnp.log(found) + (1 - targets) * jnp.log(1 - found))
        return (entropy * weights).sum() / weights.sum() + sum(penalties), other

    def step(state: Any, table: Any, batch: Any, rate: Any) -> Any:
        trained, other, optimizing = state
        users, movies, sessions, targets, weights = batch
        inputs = [users, movies, table[movies], sessions]
        gradients, other = jax.grad(loss, has_aux=True)(trained, other, inputs, targets, weights)
        optimizing = [*optimizing[:rate_position], rate, *optimizing[rate_position + 1 :]]
        trained, optimizing = optimizer.stateless_apply(optimizing, gradients, trained)
        return trained, other, optimizing

    return jax.jit(step, donate_argnums=0)


def initial(program: Program, seed: int, mean: float) -> tuple[Parameters, list[NDArray[Any]]]:
    """Weights to begin with, by name, and the state of the dropout's random generator.

    Args:
        mean: of the targets, 0 to 1, whose logit the intercept is.
    """
    rng = np.random.default_rng(seed)
    weights: Parameters = {}
    for name, variable in zip(program.names, program.model.trainable_variables, strict=True):
        shape = tuple(variable.shape)
        if "bias" in name:
            weights[name] = np.zeros(shape, dtype=np.float32)
        else:
            deviation = np.sqrt(2 / sum(shape)) if name.startswith("hidden") else 0.05
            weights[name] = (deviation * rng.standard_normal(shape)).astype(np.float32)
    mean = float(np.clip(mean, 0.01, 0.99))
    weights["sessions_bias/bias"] = np.array([np.log(mean / (1 - mean))], dtype=np.float32)
    other = [
        np.array([seed, 0], dtype=state.dtype) if state.dtype == np.uint32 else state for state in program.other_state
    ]
    return weights, other


def movie_side(weights: Parameters, features: Floats, rated: NDArray[np.bool_], hidden: int) -> tuple[Floats, Floats]:
    """The forward pass of the movies, without Keras: vectors (n, dim) and biases (n,).

    Args:
        rated: (n,), movies with ratings; the others have features, and no embedding of their own.
        hidden: number of hidden layers.
    """
    n = len(rated)
    vectors = weights["movies/embeddings"][:n] * rated[:, None]
    biases = weights["movie_bias/embeddings"][:n, 0] * rated
    if "features_vector/kernel" in weights:
        width = features.shape[1]
        vectors = vectors + features @ weights["features_vector/kernel"][:width]
        biases = biases + features @ weights["features_bias/kernel"][:width, 0]
    deep = vectors
    for number in range(hidden):
        deep = relu(deep @ weights[f"hidden_{number}/kernel"] + weights[f"hidden_{number}/bias"])
    if hidden:
        vectors = vectors + deep @ weights["hidden_out/kernel"] + weights["hidden_out/bias"]
    return vectors.astype(np.float32), biases.astype(np.float32)
