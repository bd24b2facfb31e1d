"""What networks over histories share: the movies they know, answers by a forward pass in NumPy, stored weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import DataError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.neural.backend import import_jax, padded
from matinee.models.neural.dense import Floats
from matinee.models.neural.history_training import ROOM, Trainer, Weights, train
from matinee.models.preference import Feedback, StarScale
from matinee.models.warm_items import WarmItems, Weighting, array, choose_warm


class HistoryNetworkConfig(ModelConfig):
    """Settings that networks over histories share."""

    hidden: int = Field(300, ge=1, le=4096, description="Width of the hidden layers.")
    latent: int = Field(128, ge=1, le=2048, description="Size of a user's code.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of a history that is left out in training.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Learning rate (Adam).")
    batch_size: int = Field(256, ge=1, description="Users a step; fewer where an epoch would have few steps.")
    epochs: int = Field(60, ge=1, le=10_000, description="Passes over the users, at most.")
    patience: int = Field(8, ge=1, description="Passes without better lists after which training ends.")
    validation: float = Field(
        0.2, ge=0, le=1, description="Share of the users of whom a fifth of the films is held out to stop by."
    )
    members: int = Field(
        1, ge=1, le=32, description="Networks, of other seeds and other ratings to stop by, whose logits are averaged."
    )
    weighting: Weighting = Field("binary", description="What a rating counts in training: 1, or stars / highest stars.")
    feedback: Feedback = Field(
        "signed", description="Histories: by how much a film was liked, dislikes not at all; or as in training."
    )
    min_ratings: int = Field(1, ge=1, description="Films with fewer ratings are cold (left to other models).")
    max_items: int | None = Field(None, ge=1, description="At most this many films, the most rated ones.")
    seed: int = Field(0, ge=0, le=2**31, description="Of the weights to begin with, the order and the noise.")


C = TypeVar("C", bound=HistoryNetworkConfig)


class HistoryNetwork(Model[C]):
    """A network that reads a user's history and scores all movies, so that no user has a number.

    Scores are logits. NaN for cold movies and for users without a warm one.
    Trained with JAX (extra `neural`); an answer takes NumPy alone, and of the first layer only the rows of the history.
    """

    search_ranges: ClassVar[Mapping[str, str]] = {
        "hidden": "100:600",
        "latent": "32:256",
        "dropout": "0.2:0.7",
        "learning_rate": "3e-4:5e-3",
        "batch_size": "128,256,512",
    }
    what: ClassVar[str]
    """What needs JAX: "Training Mult-VAE"."""

    _items: WarmItems
    _scale: StarScale
    _members: tuple[Weights, ...]

    @abstractmethod
    def _shapes(self, k: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights over k movies; "in" (k, hidden) is the first layer."""

    @abstractmethod
    def _trainer(self, weights: Weights, k: int, seed: int) -> Trainer:
        """A trainer of weights over a padded number of movies, of which k are there."""

    @classmethod
    @abstractmethod
    def _answer(cls, weights: Weights, first: Floats) -> Floats:
        """Logits, (n, k), for the first layer's sums over normalized histories, (n, hidden), before its bias."""

    @classmethod
    @abstractmethod
    def _decoder(cls, weights: Weights) -> Floats:
        """What stands for a movie where codes become scores, (k, d)."""

    def memory_needed(self, dataset: Dataset) -> int:
        """Peak bytes: weights, gradients and moments, batches of dense histories, and the sparse ratings."""
        config = self.config
        k = padded(len(choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items)), ROOM)
        n_weights = sum(int(np.prod(shape)) for shape in self._shapes(k).values())
        batches = 16 * (config.batch_size + 1000) * (k + 6 * config.hidden)
        return (
            4 * n_weights * (7 + config.members)
            + batches
            + 64 * len(dataset.ratings)
            + 64 * len(dataset.catalog)
            + (128 << 20)
        )

    def memory_hint(self) -> str:
        """What to do where the memory limit is exceeded."""
        return (
            f"Raise MATINEE_MEMORY_LIMIT, or lower hidden (now {self.config.hidden}) or max_items "
            f"(now {self.config.max_items})."
        )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        config = self.config
        members = []
        for member in range(config.members):

            def on_epoch(epoch: int, _figure: float | None, member: int = member) -> None:
                progress(f"{self.name}: epochs", 0.99 * (member + epoch / config.epochs) / config.members)

            members.append(self._train(dataset, config.seed + member, on_epoch))
        self._members = tuple(members)
        progress(f"{self.name}: done", 1.0)

    def validation_loss(self, dataset: Dataset, on_epoch: Callable[[int, float | None], None]) -> float:
        """1 − nDCG@20 of what training stops by, at the best epoch of one network: for a search.

        Args:
            on_epoch: called with the number of epochs done and the figure then; what it raises ends the training.

        Raises:
            DataError: nobody has five movies, so that nothing is held out; or `validation` is 0.
        """
        losses: list[float] = []

        def kept(epoch: int, figure: float | None) -> None:
            if figure is not None:
                losses.append(1 - figure)
            on_epoch(epoch, losses[-1] if losses else None)

        self._train(dataset, self.config.seed, kept)
        if not losses:
            raise DataError("No ratings are held out to validate by.", "Use more data, or set validation above 0.")
        return min(losses)

    def _train(self, dataset: Dataset, seed: int, on_epoch: Callable[[int, float | None], None]) -> Weights:
        """The weights of one network; on_epoch gets the number of epochs done and the nDCG@20 of what is held out."""
        import_jax(self.what)
        config = self.config
        self._scale = StarScale.of(dataset)
        self._items = WarmItems(choose_warm(dataset.ratings.counts, config.min_ratings, config.max_items))
        k = len(self._items)
        if not k:
            return {name: np.zeros(shape, dtype=np.float32) for name, shape in self._shapes(0).items()}
        matrix = self._items.training_matrix(dataset, config.weighting).tocsr()
        trainer = self._trainer(self._start(padded(k, ROOM), seed), k, seed)
        weights, _ = train(
            trainer,
            matrix,
            score=self._forward,
            epochs=config.epochs,
            patience=config.patience,
            batch_size=config.batch_size,
            validation=config.validation,
            seed=seed,
            on_epoch=on_epoch,
        )
        cut = {name: tuple(slice(size) for size in shape) for name, shape in self._shapes(k).items()}
        return {name: np.ascontiguousarray(weights[name][part]) for name, part in cut.items()}

    def _start(self, k: int, seed: int) -> Weights:
        """Weights to begin with: Glorot's normal distribution, biases 0, scales 1."""
        rng = np.random.default_rng(seed)
        weights: Weights = {}
        for name, shape in self._shapes(k).items():
            if len(shape) == 1:
                weights[name] = np.full(shape, 1 if name.startswith("scale") else 0, dtype=np.float32)
            else:
                weights[name] = (np.sqrt(2 / sum(shape)) * rng.standard_normal(shape)).astype(np.float32)
        return weights

    def _forward(self, weights: Weights, histories: sp.csr_matrix) -> Floats:
        """Logits for sparse histories of the warm movies, (n, k); with the weights of the padded ones or without."""
        k = histories.shape[1]
        norms = np.sqrt(np.asarray(histories.multiply(histories).sum(axis=1))).astype(np.float32)
        first = histories @ weights["in"][:k] / np.maximum(norms, np.float32(1e-12))
        return self._answer(weights, first)[:, :k]

    def knows(self, query: Query) -> bool:
        """Whether the history holds a warm movie."""
        return self._items.knows(query)

    def _history(self, query: Query, known: NDArray[np.bool_]) -> Floats:
        weights = self._scale.history_weights(query, known, self.config.feedback, self.config.weighting)
        return np.maximum(weights, np.float32(0))

    def score(self, queries: Sequence[Query]) -> Scores:
        """Mean logits; NaN for cold movies, and for users without a warm movie."""
        scores = np.full((len(queries), len(self._items)), np.nan, dtype=np.float32)
        known = np.array([self.knows(query) for query in queries], dtype=np.bool_)
        if known.any():
            chosen = [query for query, one in zip(queries, known, strict=True) if one]
            histories = self._items.matrix(chosen, self._history)
            total = self._forward(self._members[0], histories)
            for weights in self._members[1:]:
                total = total + self._forward(weights, histories)
            scores[known] = total / np.float32(len(self._members))
        return self._items.spread(scores, self.n_items)

    def similar(self, rows: Sequence[int]) -> Scores:
        """Mean cosine of the decoders' weights; NaN for cold movies."""
        scores = [self._items.cosines(rows, self._decoder(weights), self.n_items) for weights in self._members]
        cosines: Scores = np.mean(scores, axis=0, dtype=np.float32)
        return cosines

    def state(self) -> State:
        """The weights by name, float32, of further members "member_1_" and so on before it; `items` int64 (k,),
        `star_scale`.
        """
        weights = {
            _stored(member, name): value for member, named in enumerate(self._members) for name, value in named.items()
        }
        return {**weights, "items": self._items.rows, **self._scale.state()}

    def _restore(self, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> None:
        self._items = WarmItems.from_state(state, catalog)
        shapes = self._shapes(len(self._items))
        self._members = tuple(
            {name: array(state, _stored(member, name), np.float32, shape) for name, shape in shapes.items()}
            for member in range(self.config.members)
        )
        self._scale = StarScale.from_state(state)


def _stored(member: int, name: str) -> str:
    return f"member_{member}_{name}" if member else name
