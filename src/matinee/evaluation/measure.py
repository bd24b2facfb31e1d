"""Fit a line-up on one split and measure it: all movies ranked, or stars predicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.errors import InvalidInputError, UnknownModelError
from matinee.evaluation import metrics as m
from matinee.evaluation.metrics import rank
from matinee.evaluation.protocols import Question, Split
from matinee.evaluation.relevance import Relevance, disliked, liked
from matinee.models.base import Model, Progress, Query, Scores
from matinee.models.preference import Scale

_BATCH_BYTES = 16 << 20
"""Bytes of scores made at a time: small enough for the cache, large enough for BLAS."""

Lineup = Callable[[Dataset], dict[str, Model[Any]]]
"""Makes the unfitted models, parts before the models made of them."""


Lister = Callable[[Scores, list[Query]], NDArray[np.int64]]
"""Scores (n_queries, n_items) and the queries → rows (n_queries, k), best first, −1 where a list ends early."""


class Scoring(Protocol):
    """A model, as far as measuring lists needs it."""

    def score(self, queries: Sequence[Query]) -> Scores:
        """Scores of all movies for each query, (n_queries, n_items)."""


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

    Models that the data do not suit are left out, and so are models that need them as parts.

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
        if model.unsuited(dataset):
            continue
        missing = [part for part in model.parts if part not in fitted]
        if missing:
            smaller = model.without(missing)
            if smaller is None:
                continue
            model = smaller
        start = time.perf_counter()
        if model.parts:
            model = model.bind({part: fitted[part].model for part in model.parts})
        model = model.fit(dataset, memory_limit=memory_limit)
        fitted[name] = Fitted(model, time.perf_counter() - start)
    return fitted


def users_to_test(split: Split | Question, limit: int | None = None, seed: int = 0) -> NDArray[np.int64]:
    """Rows of the users with something in the test part, or a random sample of them in order."""
    users = np.flatnonzero(np.diff(split.test.indptr))
    if limit is not None and len(users) > limit:
        users = np.sort(np.random.default_rng(seed).choice(users, limit, replace=False))
    return users.astype(np.int64)


def _scored(
    model: Scoring, history: Ratings, users: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], list[Query], Scores]]:
    size = max(1, _BATCH_BYTES // (4 * max(1, history.n_items)))
    for start in range(0, len(users), size):
        batch = users[start : start + size]
        queries = [Query.of(history, int(user)) for user in batch]
        yield batch, queries, model.score(queries)


def measure_ranking(
    model: Scoring,
    split: Split | Question,
    catalog: Catalog,
    *,
    k: int = 10,
    users: NDArray[np.int64] | None = None,
    lister: Lister | None = None,
    relevant: Relevance = "all",
    scale: Scale = (0.5, 5.0),
    train: Ratings | None = None,
) -> dict[str, float]:
    """Rank all movies for every user with test ratings, seen ones removed, and average over these users.

    A user for whom a model gives no movie counts with 0; one to whom nothing is relevant does not count.

    Args:
        model: anything that scores.
        split: what is shown and asked.
        users: rows; None: all with test ratings.
        lister: makes the lists of k movies; None: the k highest scores of unseen movies (`rank`).
        relevant: test movies that count as hits.
        scale: lowest and highest stars.
        train: what the model was fitted on, for popularity; None: the split's training part, or else its history.

    Returns:
        `ndcg@k`, `precision@k`, `recall@k`, `map@k`, `mrr@k`, `hit_rate@k`; where likes are relevant `disliked@k`, the
        share of the listed test movies that the user dislikes, and `disliked_per_list@k`, their number in a list; of
        the lists as a whole `coverage`, `head` (share of the 100 most rated movies), `gini`, `novelty` (bits),
        `diversity` (by genre); `answered`: share of users with a list.
    """
    users = users_to_test(split) if users is None else users
    seen = split.history.matrix(binary=True)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    position = 0
    for batch, queries, scores in _scored(model, split.history, users):
        ranked = rank(scores, seen[batch], k) if lister is None else lister(scores, queries)
        lists[position : position + len(batch)] = ranked
        position += len(batch)
    hits, n_relevant = _hits(lists, _relevant(split, relevant, scale), users)
    result = {f"{name}@{k}": _mean(metric(hits, n_relevant)) for name, metric in m.RANKING.items()}
    if relevant == "likes":
        hated = split.test.select(disliked(split.history, split.test, scale))
        bad, tested = _hits(lists, hated, users)[0], _hits(lists, split.test, users)[0]
        result[f"disliked@{k}"] = m.disliked_share(bad, tested)
        result[f"disliked_per_list@{k}"] = float(bad.sum() / max(len(users), 1))
    if train is None:
        train = split.train if isinstance(split, Split) else split.history
    active = int((np.diff(train.indptr) > 0).sum())
    diversity = m.intra_list_diversity(lists, genre_vectors(catalog))
    return result | {
        "coverage": m.coverage(lists, len(catalog)),
        "head": m.head_share(lists, train.counts),
        "gini": m.gini(lists, len(catalog)),
        "novelty": m.novelty(lists, train.counts, active),
        "diversity": float(np.nanmean(diversity)) if np.isfinite(diversity).any() else 0.0,
        "answered": float((lists[:, 0] >= 0).mean()) if len(users) else 0.0,
    }


def measure_questions(
    model: Scoring, split: Split, catalog: Catalog, *, k: int = 10, lister: Lister | None = None
) -> dict[str, float]:
    """`measure_ranking` of each question of a split, every test movie relevant: `ndcg@k/NAME`, then `recall@k/NAME`."""
    metrics = {
        question.name: measure_ranking(model, question, catalog, k=k, lister=lister, train=split.train)
        for question in split.questions
    }
    return {f"{key}/{name}": metrics[name][key] for key in (f"ndcg@{k}", f"recall@{k}") for name in metrics}


def _relevant(split: Split | Question, relevant: Relevance, scale: Scale) -> Ratings:
    return split.test if relevant == "all" else split.test.select(liked(split.history, split.test, scale))


def _hits(lists: NDArray[np.int64], movies: Ratings, users: NDArray[np.int64]) -> tuple[m.Hits, m.Counts]:
    return m.hits_of(lists, movies.matrix(binary=True)[users])


def _mean(values: m.PerUser) -> float:
    """Over the users to whom something is relevant; 0 without any."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def measure_stars(
    model: Model[Any], split: Split, scale: tuple[float, float], *, users: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Error of the stars predicted for each test rating.

    Where a model gives none the mean of the training ratings stands in, as serving does.

    Returns:
        `rmse`, `mae` in stars; `predicted`: share of the test ratings the model had an opinion on.

    Raises:
        InvalidInputError: the model's scores are not stars.
    """
    if not model.predicts_stars:
        raise InvalidInputError(
            f"{model.name} does not predict stars.", "Choose a model that does, or a top-n protocol."
        )
    users = users_to_test(split) if users is None else users
    predicted: list[NDArray[np.float32]] = []
    actual: list[NDArray[np.float32]] = []
    for batch, _, scores in _scored(model, split.history, users):
        for user, row in zip(batch, scores, strict=True):
            movies, stars, _ = split.test.history(int(user))
            predicted.append(row[movies])
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
    """Movies × genres, rows of unit length (zero without genres)."""
    table = pl.DataFrame({"row": np.arange(len(catalog)), "genre": catalog.frame["genres"]})
    table = table.explode("genre").drop_nulls().unique(maintain_order=True)
    rows, codes = table["row"].to_numpy(), table["genre"].rank("dense").to_numpy().astype(np.int64) - 1
    lengths = np.sqrt(np.maximum(np.bincount(rows, minlength=len(catalog)), 1))
    n_genres = int(codes.max()) + 1 if len(codes) else 1
    values = (1.0 / lengths[rows]).astype(np.float32)
    return sp.csr_matrix((values, (rows, codes)), shape=(len(catalog), n_genres))
