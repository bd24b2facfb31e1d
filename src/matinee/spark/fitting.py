"""Fits the models of a line-up: on Spark those that learn from sums over users, here the others while data are few."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.progress import Progress
from matinee.data.dataset import Dataset
from matinee.errors import MemoryLimitError
from matinee.models import Blend, Ease, ImplicitALS, ItemKNN, Popularity
from matinee.models.base import Model, State
from matinee.models.ease import EaseConfig, weights_of
from matinee.models.ials import ImplicitALSConfig, default_factors
from matinee.models.popularity import scores_of
from matinee.models.sparse import sparse_state
from matinee.models.warm_items import choose_warm
from matinee.spark import charts
from matinee.spark.als import fit_factors
from matinee.spark.blocks import Block, Warm, on_disk, spread
from matinee.spark.links import gram, item_links

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

HERE = 3_000_000
"""Models that Spark does not fit are fitted by the driver, up to so many ratings."""

Blocks = Callable[..., "RDD[Block]"]


class SparkFit:
    """Fits models for `training.pipeline.train_dataset`. The models are the ones that local training makes.

    Args:
        memory_limit: of the driver, in bytes.
        dataset: whose ratings lie in `blocks`; others are spread from here first.
        blocks: called with `times`, see `SparkRatings.blocks`.
    """

    def __init__(
        self,
        spark: SparkSession,
        memory_limit: int | None = None,
        dataset: Dataset | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        self._spark, self._memory_limit = spark, memory_limit
        self._ratings = None if dataset is None else dataset.ratings
        self._blocks = blocks
        self._data: Data | None = None

    def __call__(self, model: Model[Any], dataset: Dataset, progress: Progress) -> Model[Any]:
        """Fit one model.

        Raises:
            MemoryLimitError: the driver's part does not fit, or Spark does not learn this model and the data are many.
        """
        state_of = _STATES.get(type(model))
        if state_of is None:
            return self._here(model, dataset, progress)
        data = self._data_of(dataset)
        self._check(model, data)
        state = state_of(model, data, dataset, progress)
        return type(model).from_state(model.config, state, dataset.catalog)

    def _check(self, model: Model[Any], data: Data) -> None:
        """Refuse what the driver cannot hold: the matrix of EASE, or the factors of all users."""
        need, config = 0, model.config
        if isinstance(config, EaseConfig):
            k = len(choose_warm(data.totals.counts, config.min_ratings, config.max_items))
            need = 4 * k * k
        elif isinstance(config, ImplicitALSConfig):
            width = config.n_factors or default_factors(int(data.totals.counts.sum()))
            need = 8 * width * (data.totals.n_users + len(data.totals.counts))
        if self._memory_limit is not None and need > self._memory_limit:
            raise MemoryLimitError(
                f"{model.name} would need {need / 2**20:,.0f} MiB of the driver, more than the limit of "
                f"{self._memory_limit / 2**20:,.0f} MiB.",
                model.memory_hint(),
            )

    def _here(self, model: Model[Any], dataset: Dataset, progress: Progress) -> Model[Any]:
        if len(dataset.ratings) > HERE and model.learns_from_ratings:
            if not isinstance(model, Blend):
                raise MemoryLimitError(
                    f"Spark does not learn {model.name}, and the driver does so from at most {HERE:,} ratings."
                )
            parts = model
            model = Blend(model.config.model_copy(update={"learn": False}))
            model._parts = parts._parts
        return model.fit(dataset, memory_limit=self._memory_limit, progress=progress)

    def _data_of(self, dataset: Dataset) -> Data:
        if self._data is None or self._data.dataset is not dataset:
            blocks = self._blocks
            if blocks is None or dataset.ratings is not self._ratings:
                blocks = _always(spread(self._spark.sparkContext, dataset.ratings))
            self.forget()
            self._data = Data(dataset, blocks)
        return self._data

    def forget(self) -> None:
        """Drop what Spark keeps of the last data."""
        if self._data is not None:
            self._data.forget()
            self._data = None


def _always(rows: RDD[Block]) -> Blocks:
    def blocks(*, times: bool = False) -> RDD[Block]:
        del times  # these have them
        return rows

    return blocks


class Data:
    """The blocks of one data set, what was summed of them, and those brought to a model's movies, kept for the next."""

    def __init__(self, dataset: Dataset, blocks: Blocks) -> None:
        self.dataset, self._blocks = dataset, blocks
        self._warm: tuple[bytes, RDD[Block]] | None = None

    @cached_property
    def totals(self) -> charts.Totals:
        """Sums over all ratings."""
        return charts.Totals.of(self._blocks(), len(self.dataset.catalog), self.dataset.scale)

    def timed(self) -> RDD[Block]:
        """The blocks with times."""
        return self._blocks(times=True)

    def of_movies(self, rows: NDArray[np.int64]) -> RDD[Block]:
        """The blocks over some movies, kept by Spark until other movies are asked for."""
        key = rows.tobytes()
        if self._warm is None or self._warm[0] != key:
            self.forget()
            own = self._blocks().map(Warm.of(rows, len(self.dataset.catalog)))
            self._warm = key, on_disk(own)
        return self._warm[1]

    def forget(self) -> None:
        """Let Spark drop what it keeps."""
        if self._warm is not None:
            self._warm[1].unpersist()
            self._warm = None


def _popularity(model: Popularity, data: Data, dataset: Dataset, progress: Progress) -> State:
    lately = None
    if model.config.by == "trending":
        lately = charts.lately(data.timed(), len(dataset.catalog), model.config.half_life)
    scores = scores_of(model.config, dataset, data.totals.counts, data.totals.sums, lately)
    progress("popularity", 1.0)
    return {"scores": scores}


def _ease(model: Ease, data: Data, dataset: Dataset, progress: Progress) -> State:
    config = model.config
    rows = choose_warm(data.totals.counts, config.min_ratings, config.max_items)
    top = dataset.scale[1] if config.weighting == "stars" else 0.0
    found = gram(data.of_movies(rows), len(rows), top)
    progress("ease: invert", 0.5)
    return {"weights": weights_of(found, config), "items": rows, **data.totals.star_scale.state()}


def _item_knn(model: ItemKNN, data: Data, dataset: Dataset, progress: Progress) -> State:
    rows = choose_warm(data.totals.counts, 1, None)
    links = item_links(data.of_movies(rows), len(rows), dataset.scale[1], model.config, progress)
    return {**sparse_state(links), "items": rows, **data.totals.star_scale.state()}


def _ials(model: ImplicitALS, data: Data, dataset: Dataset, progress: Progress) -> State:
    rows = choose_warm(data.totals.counts, 1, None)
    counts = data.totals.counts[rows]
    found = fit_factors(data.of_movies(rows), data.totals.n_users, counts, dataset.scale[1], model.config, progress)
    return {
        "factors": found.movies,
        "items": rows,
        **data.totals.star_scale.state(),
        "alpha": np.array([found.alpha]),
        "ridge": np.array([found.regularization]),
    }


_STATES: dict[type[Model[Any]], Callable[..., State]] = {
    Popularity: _popularity,
    Ease: _ease,
    ItemKNN: _item_knn,
    ImplicitALS: _ials,
}
"""What Spark learns: class → its state."""
