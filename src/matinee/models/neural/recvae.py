"""RecVAE: a variational autoencoder with a composite prior, encoder and decoder trained in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from matinee.models.neural.adam import adam_start, adam_step
from matinee.models.neural.dense import Floats, layer_norm, swish
from matinee.models.neural.history_network import HistoryNetwork, HistoryNetworkConfig
from matinee.models.neural.history_training import Batch, Trainer, Weights

LAYERS = 5
"""Dense layers of the encoder, each connected with all before it."""
_PRIOR = (3 / 20, 3 / 4, 1 / 10)
"""Shares of the composite prior: standard normal, the posterior of the epoch before, a wide normal."""
_WIDE = 10.0
"""Log variance of the wide normal."""
_EPSILON = 0.1
"""Of the layer normalization, as in the authors' code."""
_ENCODER = ("in", "layer", "scale", "offset", "mean", "spread")
"""Beginnings of the names of the encoder's weights; the others are the decoder's."""


class RecVAEConfig(HistoryNetworkConfig):
    """Settings of `RecVAE`."""

    gamma: float = Field(0.005, ge=0, description="Weight of the Kullback-Leibler term for each film of a history.")
    encoder_passes: int = Field(3, ge=1, le=20, description="Passes that train the encoder, to one of the decoder.")


class RecVAE(HistoryNetwork[RecVAEConfig]):
    """RecVAE (Shenbin et al. 2020, "RecVAE: A New Variational Autoencoder for Top-N Recommendations").

    Five dense layers (swish, layer normalization), each with what came before added; a linear decoder. The prior is a
    mixture with the posterior of the epoch before, its weight grows with the history, and encoder and decoder are
    trained in turns, the decoder without noise in its histories.

    Examples:
        >>> matinee.RecVAE(hidden=8, latent=4, epochs=2).fit(dataset)
        <RecVAE(epochs=2, hidden=8, latent=4), fitted on 40 films>
    """

    name = "recvae"
    Config = RecVAEConfig
    search_ranges: ClassVar[Mapping[str, str]] = {**HistoryNetwork.search_ranges, "gamma": "1e-3:2e-2"}
    what = "Training RecVAE"

    def _shapes(self, k: int) -> dict[str, tuple[int, ...]]:
        h, d = self.config.hidden, self.config.latent
        shapes: dict[str, tuple[int, ...]] = {"in": (k, h)}
        for number in range(LAYERS):
            if number:
                shapes[f"layer_{number}"] = (h, h)
            for name in ("layer_bias", "scale", "offset"):
                shapes[f"{name}_{number}"] = (h,)
        return shapes | {
            "mean": (h, d),
            "mean_bias": (d,),
            "spread": (h, d),
            "spread_bias": (d,),
            "out": (d, k),
            "out_bias": (k,),
        }

    def _trainer(self, weights: Weights, k: int, seed: int) -> Trainer:
        del seed
        return _RecVAETrainer(weights, k, self.config)

    @classmethod
    def _answer(cls, weights: Weights, first: Floats) -> Floats:
        before: Floats = np.zeros(first.shape, dtype=np.float32)
        hidden: Floats = first
        for number in range(LAYERS):
            if number:
                hidden = hidden @ weights[f"layer_{number}"]
            active = swish(hidden + weights[f"layer_bias_{number}"] + before)
            hidden = layer_norm(active, weights[f"scale_{number}"], weights[f"offset_{number}"], _EPSILON)
            before = before + hidden
        code = hidden @ weights["mean"] + weights["mean_bias"]
        return (code @ weights["out"] + weights["out_bias"]).astype(np.float32, copy=False)

    @classmethod
    def _decoder(cls, weights: Weights) -> Floats:
        return np.ascontiguousarray(weights["out"].T)


class _RecVAETrainer(Trainer):
    def __init__(self, weights: Weights, k: int, config: RecVAEConfig) -> None:
        import jax.numpy as jnp

        self._config, self._k = config, k
        self._encoder = {name: jnp.array(value) for name, value in weights.items() if name.startswith(_ENCODER)}
        self._decoder = {name: jnp.array(value) for name, value in weights.items() if not name.startswith(_ENCODER)}
        self._adams = [adam_start(self._encoder), adam_start(self._decoder)]

    @property
    def weights(self) -> Any:
        return self._encoder | self._decoder

    def epoch(self, batches: Callable[[], Iterator[Batch]], key: Any, done: float) -> None:
        """Passes of the encoder, then one of the decoder; the prior is the encoder as it was before."""
        del done
        import jax
        import jax.numpy as jnp

        config = self._config
        train_encoder, train_decoder = _steps()
        settings = (np.float32(config.dropout), np.float32(config.gamma), np.float32(config.learning_rate))
        old = jax.tree.map(jnp.array, self._encoder)
        number = 0
        for _ in range(config.encoder_passes):
            for batch in batches():
                number += 1
                noise = jax.random.fold_in(key, number)
                self._encoder, self._adams[0] = train_encoder(
                    self._encoder, self._decoder, old, self._adams[0], batch, self._k, noise, settings
                )
        for batch in batches():
            number += 1
            noise = jax.random.fold_in(key, number)
            self._decoder, self._adams[1] = train_decoder(
                self._encoder, self._decoder, self._adams[1], batch, self._k, noise, settings
            )


@cache
def _steps() -> tuple[Any, Any]:
    """The compiled steps of encoder and decoder."""
    import jax
    import jax.numpy as jnp

    from matinee.models.neural.likelihood import drop, log_softmax, normalized

    def encode(weights: Any, histories: Any) -> tuple[Any, Any]:
        before, hidden = 0.0, histories @ weights["in"]
        for number in range(LAYERS):
            if number:
                hidden = hidden @ weights[f"layer_{number}"]
            active = jax.nn.swish(hidden + weights[f"layer_bias_{number}"] + before)
            rest = active - active.mean(axis=1, keepdims=True)
            variance = (rest**2).mean(axis=1, keepdims=True)
            hidden = rest / jnp.sqrt(variance + _EPSILON) * weights[f"scale_{number}"] + weights[f"offset_{number}"]
            before = before + hidden
        return hidden @ weights["mean"] + weights["mean_bias"], hidden @ weights["spread"] + weights["spread_bias"]

    def density(code: Any, mean: Any, spread: Any) -> Any:
        return -0.5 * (spread + jnp.log(2 * jnp.pi) + (code - mean) ** 2 / jnp.exp(spread))

    def reconstruct(decoder: Any, code: Any, batch: Batch, k: Any) -> Any:
        return (log_softmax(code @ decoder["out"] + decoder["out_bias"], k) * batch.histories).sum(axis=1)

    def mean_of(values: Any, batch: Batch) -> Any:
        return (values * batch.counts).sum() / batch.counts.sum()

    def encoder_loss(encoder: Any, decoder: Any, old: Any, batch: Batch, k: Any, key: Any, settings: Any) -> Any:
        dropout, gamma, _ = settings
        noise, code_noise = jax.random.split(key)
        whole = normalized(batch.histories)
        mean, spread = encode(encoder, drop(whole, dropout, noise))
        code = mean + jnp.exp(spread / 2) * jax.random.normal(code_noise, mean.shape)
        old_mean, old_spread = encode(old, whole)
        parts = [density(code, 0.0, 0.0), density(code, old_mean, old_spread), density(code, 0.0, _WIDE)]
        weighted = jnp.stack([part + jnp.log(share) for part, share in zip(parts, _PRIOR, strict=True)])
        prior = jax.scipy.special.logsumexp(weighted, axis=0)
        divergence = (density(code, mean, spread) - prior).sum(axis=1)
        weight = gamma * (batch.histories > 0).sum(axis=1)
        return mean_of(weight * divergence - reconstruct(decoder, code, batch, k), batch)

    def decoder_loss(decoder: Any, encoder: Any, batch: Batch, k: Any, key: Any) -> Any:
        mean, spread = encode(encoder, normalized(batch.histories))
        code = mean + jnp.exp(spread / 2) * jax.random.normal(key, mean.shape)
        return -mean_of(reconstruct(decoder, code, batch, k), batch)

    def train_encoder(
        encoder: Any, decoder: Any, old: Any, adam: Any, batch: Batch, k: Any, key: Any, settings: Any
    ) -> Any:
        gradients = jax.grad(encoder_loss)(encoder, decoder, old, batch, k, key, settings)
        return adam_step(encoder, gradients, adam, settings[2])

    def train_decoder(encoder: Any, decoder: Any, adam: Any, batch: Batch, k: Any, key: Any, settings: Any) -> Any:
        gradients = jax.grad(decoder_loss)(decoder, encoder, batch, k, key)
        return adam_step(decoder, gradients, adam, settings[2])

    return jax.jit(train_encoder, donate_argnums=(0, 3)), jax.jit(train_decoder, donate_argnums=(1, 2))
