"""Mult-VAE: a variational autoencoder over histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from matinee.models.neural.adam import adam_start, adam_step
from matinee.models.neural.dense import Floats
from matinee.models.neural.history_network import HistoryNetwork, HistoryNetworkConfig
from matinee.models.neural.history_training import Batch, Trainer, Weights


class MultVAEConfig(HistoryNetworkConfig):
    """Settings of `MultVAE`."""

    kl: float = Field(0.2, ge=0, description="Weight of the Kullback-Leibler term at the end of its rise.")
    rise: float = Field(0.5, gt=0, le=1, description="Share of the epochs over which that weight rises from 0.")


class MultVAE(HistoryNetwork[MultVAEConfig]):
    """Mult-VAE (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering").

    One hidden layer (tanh) on both sides of the code; the weight of the Kullback-Leibler term rises to `kl`.

    Examples:
        >>> matinee.MultVAE(hidden=8, latent=4, epochs=2).fit(dataset)
        <MultVAE(epochs=2, hidden=8, latent=4), fitted on 40 films>
    """

    name = "multvae"
    Config = MultVAEConfig
    search_ranges: ClassVar[Mapping[str, str]] = {**HistoryNetwork.search_ranges, "kl": "0.05:1"}
    what = "Training Mult-VAE"

    def _shapes(self, k: int) -> dict[str, tuple[int, ...]]:
        h, d = self.config.hidden, self.config.latent
        return {
            "in": (k, h),
            "in_bias": (h,),
            "mean": (h, d),
            "mean_bias": (d,),
            "spread": (h, d),
            "spread_bias": (d,),
            "out_hidden": (d, h),
            "out_hidden_bias": (h,),
            "out": (h, k),
            "out_bias": (k,),
        }

    def _trainer(self, weights: Weights, k: int, seed: int) -> Trainer:
        del seed
        return _MultVAETrainer(weights, k, self.config)

    @classmethod
    def _answer(cls, weights: Weights, first: Floats) -> Floats:
        code = np.tanh(first + weights["in_bias"]) @ weights["mean"] + weights["mean_bias"]
        hidden = np.tanh(code @ weights["out_hidden"] + weights["out_hidden_bias"])
        logits: Floats = hidden @ weights["out"] + weights["out_bias"]
        return logits

    @classmethod
    def _decoder(cls, weights: Weights) -> Floats:
        return np.ascontiguousarray(weights["out"].T)


class _MultVAETrainer(Trainer):
    def __init__(self, weights: Weights, k: int, config: MultVAEConfig) -> None:
        import jax.numpy as jnp

        self.weights = {name: jnp.array(value) for name, value in weights.items()}
        self._config, self._k = config, k
        self._adam = adam_start(self.weights)

    def epoch(self, batches: Callable[[], Iterator[Batch]], key: Any, done: float) -> None:
        """One pass."""
        import jax

        config, step = self._config, _step()
        kl = config.kl * min(done / config.rise, 1.0)
        for number, batch in enumerate(batches()):
            noise = jax.random.fold_in(key, number)
            settings = (np.float32(config.dropout), np.float32(kl), np.float32(config.learning_rate))
            self.weights, self._adam = step(self.weights, self._adam, batch, self._k, noise, settings)


@cache
def _step() -> Any:
    import jax
    import jax.numpy as jnp

    from matinee.models.neural.likelihood import drop, log_softmax, normalized

    def loss(weights: Any, batch: Batch, k: Any, key: Any, dropout: Any, kl: Any) -> Any:
        noise, code_noise = jax.random.split(key)
        shown = drop(normalized(batch.histories), dropout, noise)
        hidden = jnp.tanh(shown @ weights["in"] + weights["in_bias"])
        mean = hidden @ weights["mean"] + weights["mean_bias"]
        spread = hidden @ weights["spread"] + weights["spread_bias"]
        code = mean + jnp.exp(spread / 2) * jax.random.normal(code_noise, mean.shape)
        decoded = jnp.tanh(code @ weights["out_hidden"] + weights["out_hidden_bias"])
        likely = log_softmax(decoded @ weights["out"] + weights["out_bias"], k)
        likelihood = (likely * batch.histories).sum(axis=1)
        divergence = 0.5 * (jnp.exp(spread) + mean**2 - 1 - spread).sum(axis=1)
        return ((kl * divergence - likelihood) * batch.counts).sum() / batch.counts.sum()

    def step(weights: Any, adam: Any, batch: Batch, k: Any, key: Any, settings: Any) -> Any:
        dropout, kl, rate = settings
        gradients = jax.grad(loss)(weights, batch, k, key, dropout, kl)
        return adam_step(weights, gradients, adam, rate)

    return jax.jit(step, donate_argnums=(0, 1))
