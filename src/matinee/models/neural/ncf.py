"""NCF: a product of vectors and a network over both, on histories instead of numbers of users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.models.neural.adam import adam_start, adam_step
from matinee.models.neural.dense import Floats, relu
from matinee.models.neural.history_network import HistoryNetwork, HistoryNetworkConfig
from matinee.models.neural.history_training import Batch, Trainer, Weights

_LIKED = 8
"""Movies of each history that a step asks for."""


class NCFConfig(HistoryNetworkConfig):
    """Settings of `NCF`."""

    hidden: int = Field(64, ge=2, le=4096, description="Width of the first layer over both; the second has half.")
    latent: int = Field(64, ge=1, le=1024, description="Size of each of a movie's four vectors.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of a history that is left out in training.")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Learning rate (Adam).")
    negatives: int = Field(8, ge=1, le=1000, description="Random films to each film of a history.")


class NCF(HistoryNetwork[NCFConfig]):
    """Neural collaborative filtering, GMF and MLP (He et al. 2017, "Neural Collaborative Filtering").

    The paper looks users up by number. Here a user is the sum of the vectors of the history's movies, over its length
    (Kabbur et al. 2013, "FISM"), without the movie that is asked for: one who was not there in training is folded in by
    the same sum. Trained on binary cross-entropy with random movies as negatives.

    Examples:
        >>> matinee.NCF(hidden=8, latent=4, epochs=2).fit(dataset)
        <NCF(epochs=2, hidden=8, latent=4), fitted on 40 films>
    """

    name = "ncf"
    Config = NCFConfig
    search_ranges: ClassVar[Mapping[str, str]] = {
        "hidden": "16:128",
        "latent": "16:128",
        "dropout": "0:0.6",
        "learning_rate": "1e-3:1e-2",
        "negatives": "4:16",
    }
    what = "Training NCF"

    def _shapes(self, k: int) -> dict[str, tuple[int, ...]]:
        h, d = self.config.hidden, self.config.latent
        return {
            "in": (k, 2 * d),
            "product": (k, d),
            "deep": (k, d),
            "item_bias": (k,),
            "product_out": (d,),
            "deep_user": (d, h),
            "deep_movie": (d, h),
            "deep_bias": (h,),
            "second": (h, h // 2),
            "second_bias": (h // 2,),
            "deep_out": (h // 2,),
        }

    def _start(self, k: int, seed: int) -> Weights:
        """As usual; the last layers begin with the plain product and a small mean."""
        weights = super()._start(k, seed)
        weights["product_out"][:] = 1
        weights["deep_out"][:] = 1 / len(weights["deep_out"])
        for name in ("in", "product", "deep"):
            weights[name] *= np.float32(np.sqrt(sum(weights[name].shape) / 2) / np.sqrt(self.config.latent) / 2)
        return weights

    def _trainer(self, weights: Weights, k: int, seed: int) -> Trainer:
        return _NCFTrainer(weights, k, self.config, seed)

    @classmethod
    def _answer(cls, weights: Weights, first: Floats) -> Floats:
        d = weights["product"].shape[1]
        scores = (first[:, :d] * weights["product_out"]) @ weights["product"].T + weights["item_bias"]
        movies = weights["deep"] @ weights["deep_movie"] + weights["deep_bias"]
        for number, user in enumerate(first[:, d:] @ weights["deep_user"]):
            hidden = relu(relu(movies + user) @ weights["second"] + weights["second_bias"])
            scores[number] += hidden @ weights["deep_out"]
        result: Floats = scores.astype(np.float32, copy=False)
        return result

    @classmethod
    def _decoder(cls, weights: Weights) -> Floats:
        return np.hstack([weights["product"] * weights["product_out"], weights["deep"]])


class _NCFTrainer(Trainer):
    def __init__(self, weights: Weights, k: int, config: NCFConfig, seed: int) -> None:
        import jax.numpy as jnp

        self.weights = {name: jnp.array(value) for name, value in weights.items()}
        self._config, self._k = config, k
        self._adam = adam_start(self.weights)
        self._rng = np.random.default_rng(seed)

    def epoch(self, batches: Callable[[], Iterator[Batch]], key: Any, done: float) -> None:
        """One pass."""
        del done
        import jax

        config, step = self._config, _step()
        settings = (np.float32(config.dropout), np.float32(config.learning_rate))
        for number, batch in enumerate(batches()):
            liked = self._draw(batch)
            others = self._rng.integers(0, self._k, (len(liked), _LIKED * config.negatives))
            noise = jax.random.fold_in(key, number)
            self.weights, self._adam = step(self.weights, self._adam, batch, liked, others, noise, settings)

    def _draw(self, batch: Batch) -> NDArray[np.int64]:
        """Random movies of each history, (size, `_LIKED`); those of empty rows mean nothing."""
        rows, movies = np.nonzero(batch.histories)
        sizes = np.bincount(rows, minlength=len(batch.histories))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        drawn = (self._rng.random((len(sizes), _LIKED)) * sizes[:, None]).astype(np.int64)
        chosen: NDArray[np.int64] = movies[np.minimum(starts[:, None] + drawn, len(movies) - 1)]
        return chosen


@cache
def _step() -> Any:
    import jax
    import jax.numpy as jnp

    from matinee.models.neural.likelihood import drop, normalized

    def logits(weights: Any, users: Any, movies: Any) -> Any:
        """Of each user (size, asked, 2d) and movie (size, asked)."""
        d = weights["product"].shape[1]
        product = (users[..., :d] * weights["product"][movies]) @ weights["product_out"]
        deep = users[..., d:] @ weights["deep_user"] + weights["deep"][movies] @ weights["deep_movie"]
        deep = jax.nn.relu(deep + weights["deep_bias"])
        deep = jax.nn.relu(deep @ weights["second"] + weights["second_bias"])
        return product + deep @ weights["deep_out"] + weights["item_bias"][movies]

    def loss(weights: Any, batch: Batch, liked: Any, others: Any, key: Any, dropout: Any) -> Any:
        shown = drop(normalized(batch.histories), dropout, key)
        users = shown @ weights["in"]
        own = jnp.take_along_axis(shown, liked, axis=1)[..., None] * weights["in"][liked]
        found = logits(weights, users[:, None] - own, liked)
        random = logits(weights, jnp.broadcast_to(users[:, None], (*others.shape, users.shape[1])), others)
        unseen = jnp.take_along_axis(batch.histories, others, axis=1) == 0
        entropy = jax.nn.softplus(-found).sum(axis=1) + (jax.nn.softplus(random) * unseen).sum(axis=1)
        return (entropy * batch.counts).sum() / batch.counts.sum() / liked.shape[1]

    def step(weights: Any, adam: Any, batch: Batch, liked: Any, others: Any, key: Any, settings: Any) -> Any:
        dropout, rate = settings
        gradients = jax.grad(loss)(weights, batch, liked, others, key, dropout)
        return adam_step(weights, gradients, adam, rate)

    return jax.jit(step, donate_argnums=(0, 1))
