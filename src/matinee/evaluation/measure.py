"""Fit a line-up on one split and measure it: all films ranked, or stars predicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.errors import InvalidInputError, UnknownModelError
from matinee.evaluation import metrics as m
from matinee.evaluation.protocols import Split
from matinee.evaluation.ranking import rank
from matinee.models.base import Model, Progress, Query, Scores

_BATCH_BYTES = 16 << 20
"""Bytes of scores made at a time: small enough for the cache, large enough for BLAS."""

Lineup = Callable[[Dataset], dict[str, Model[Any]]]
"""Makes the unfitted models, parts before the models made of them."""


@dataclass(frozen=True)
class Fitted:
    """A fitted model and the seconds that it took (its parts' apart)."""

    model: Model[Any]
    seconds: float


def fit_models(
    lineup: Mapping[str, Model[Any]],
    names: Sequence[str],
    dataset: Dataset,
    *,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Fitted]:
    """Fit the named models and the parts that they are made of, each once.

    Raises:
        UnknownModelError: the line-up has no such model.
        MemoryLimitError: a model does not fit into the limit.
    """
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in lineup:
            raise UnknownModelError(name, list(lineup))
        if name not in needed:
            needed.add(name)
            waiting.extend(lineup[name].parts)
    fitted: dict[str, Fitted] = {}
    chosen = [name for name in lineup if name in needed]
    for number, name in enumerate(chosen):
        if progress is not None:
            progress(f"fitting {name}", number / len(chosen))
        model = lineup[name]
        start = time.perf_counter()
        if model.parts:
            model = model.bind({part: fitted[part].model for part in model.parts})
        model = model.fit(dataset, memory_limit=memory_limit)
        fitted[name] = Fitted(model, time.perf_counter() - start)
    return fitted


def asked_users(split: Split, limit: int | None = None, seed: int = 0) -> NDArray[np.int64]:
    """Rows of the users with something in the test part, or a random sample of them in order."""
    users = np.flatnonzero(np.diff(split.test.indptr))
    if limit is not None and len(users) > limit:
        users = np.sort(np.random.default_rng(seed).choice(users, limit, replace=False))
    return users.astype(np.int64)


def _scored(
    model: Model[Any], history: Ratings, users: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Scores]]:
    size = max(1, _BATCH_BYTES // (4 * max(1, history.n_items)))
    for start in range(0, len(users), size):
        batch = users[start : start + size]
        yield batch, model.score([Query.of(history, int(user)) for user in batch])


def measure_ranking(
    model: Model[Any], split: Split, catalog: Catalog, *, k: int = 10, users: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Rank all films for every user with test ratings, seen ones removed, and average over these users.

    A user for whom a model gives no film counts with 0.

    Returns:
        `ndcg@k`, `precision@k`, `recall@k`, `map@k`, `mrr@k`, `hit_rate@k`, and of the lists as a whole
        `coverage`, `gini`, `novelty` (bits), `diversity` (by genre); `answered`: share of users with a list.
    """
    users = asked_users(split) if users is None else users
    seen, relevant = split.history.matrix(binary=True), split.test.matrix(binary=True)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    place = 0
    for batch, scores in _scored(model, split.history, users):
        lists[place : place + len(batch)] = rank(scores, seen[batch], k)
        place += len(batch)
    hits, n_relevant = m.hits_of(lists, relevant[users])
    result = {f"{name}@{k}": float(np.mean(metric(hits, n_relevant))) for name, metric in m.RANKING.items()}
    active = int((np.diff(split.train.indptr) > 0).sum())
    diversity = m.intra_list_diversity(lists, genre_vectors(catalog))
    return result | {
        "coverage": m.coverage(lists, len(catalog)),
        "gini": m.gini(lists, len(catalog)),
        "novelty": m.novelty(lists, split.train.counts, active),
        "diversity": float(np.nanmean(diversity)) if np.isfinite(diversity).any() else 0.0,
        "answered": float((lists[:, 0] >= 0).mean()),
    }


def measure_stars(
    model: Model[Any], split: Split, scale: tuple[float, float], *, users: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Error of the stars predicted for each test rating.

    Where a model gives none the mean of the training ratings stands in, as a user would be told nothing better.

    Returns:
        `rmse`, `mae` in stars; `predicted`: share of the test ratings the model had an opinion on.

    Raises:
        InvalidInputError: the model's scores are not stars.
    """
    if not model.predicts_stars:
        raise InvalidInputError(
            f"{model.name} does not predict stars.", "Choose a model that does, or a top-n protocol."
        )
    users = asked_users(split) if users is None else users
    predicted: list[NDArray[np.float32]] = []
    actual: list[NDArray[np.float32]] = []
    for batch, scores in _scored(model, split.history, users):
        for user, row in zip(batch, scores, strict=True):
            films, stars, _ = split.test.history(int(user))
            predicted.append(row[films])
            actual.append(stars)
    stars_predicted, stars_actual = np.concatenate(predicted), np.concatenate(actual)
    unknown = np.isnan(stars_predicted)
    mean = float(np.mean(split.train.values, dtype=np.float64))
    stars_predicted = np.clip(np.where(unknown, mean, stars_predicted), *scale)
    return {
        "rmse": m.rmse(stars_predicted, stars_actual),
        "mae": m.mae(stars_predicted, stars_actual),
        "predicted": float(1.0 - unknown.mean()),
    }


def genre_vectors(catalog: Catalog) -> sp.csr_matrix:
    """Films × genres, rows of unit length (zero without genres)."""
    table = pl.DataFrame({"row": np.arange(len(catalog)), "genre": catalog.frame["genres"]})
    table = table.explode("genre").drop_nulls().unique(maintain_order=True)
    rows, codes = table["row"].to_numpy(), table["genre"].rank("dense").to_numpy().astype(np.int64) - 1
    lengths = np.sqrt(np.maximum(np.bincount(rows, minlength=len(catalog)), 1))
    n_genres = int(codes.max()) + 1 if len(codes) else 1
    values = (1.0 / lengths[rows]).astype(np.float32)
    return sp.csr_matrix((values, (rows, codes)), shape=(len(catalog), n_genres))
