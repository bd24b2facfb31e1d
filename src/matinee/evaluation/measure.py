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
from matinee.data.ratings import NO_TIME, Ratings
from matinee.errors import InvalidInputError, UnknownModelError
from matinee.evaluation import metrics as m
from matinee.evaluation.figures import Sums, UserFigures
from matinee.evaluation.metrics import rank
from matinee.evaluation.protocols import Question, Split
from matinee.evaluation.relevance import Relevance, disliked, liked
from matinee.models.base import Model, Progress, Query, Scores
from matinee.models.preference import Scale

_BATCH_BYTES = 16 << 20
"""Bytes of scores made at a time: small enough for the cache, large enough for BLAS."""

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


@dataclass(frozen=True)
class Ranked:
    """The lists of all users who were asked, and how good they are.

    Attributes:
        metrics: as `measure_ranking` returns them.
        figures: those of them that are made of users' values.
        lists: (n_users, k) rows, best first, −1 where a list ends early.
        relevant: the movies that count as hits; same users and movies as the split.
    """

    metrics: dict[str, float]
    figures: UserFigures
    lists: NDArray[np.int64]
    relevant: Ratings


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
    return rank_users(
        model, split, catalog, k=k, users=users, lister=lister, relevant=relevant, scale=scale, train=train
    ).metrics


def rank_users(
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
) -> Ranked:
    """`measure_ranking`, with the lists and the values of each user. Coverage and Gini index are no means of these."""
    users = users_to_test(split) if users is None else users
    seen = split.history.matrix(binary=True)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    position = 0
    for batch, queries, scores in _scored(model, split.history, users):
        ranked = rank(scores, seen[batch], k) if lister is None else lister(scores, queries)
        lists[position : position + len(batch)] = ranked
        position += len(batch)
    wanted = _relevant(split, relevant, scale)
    hits, n_relevant = _hits(lists, wanted, users)
    per_user = {f"{name}@{k}": metric(hits, n_relevant) for name, metric in m.RANKING.items()}
    result = {name: _mean(values) for name, values in per_user.items()}
    sums = {name: Sums.mean(values) for name, values in per_user.items()}
    if relevant == "likes":
        hated = split.test.select(disliked(split.history, split.test, scale))
        bad, tested = _hits(lists, hated, users)[0], _hits(lists, split.test, users)[0]
        result[f"disliked@{k}"] = m.disliked_share(bad, tested)
        result[f"disliked_per_list@{k}"] = float(bad.sum() / max(len(users), 1))
        per_list = bad.sum(axis=1).astype(np.float64)
        sums[f"disliked@{k}"] = Sums(per_list, tested.sum(axis=1).astype(np.float64))
        sums[f"disliked_per_list@{k}"] = Sums.mean(per_list)
    if train is None:
        train = split.train if isinstance(split, Split) else split.history
    active = int((np.diff(train.indptr) > 0).sum())
    diversity = m.intra_list_diversity(lists, genre_vectors(catalog))
    result |= {
        "coverage": m.coverage(lists, len(catalog)),
        "head": m.head_share(lists, train.counts),
        "gini": m.gini(lists, len(catalog)),
        "novelty": m.novelty(lists, train.counts, active),
        "diversity": float(np.nanmean(diversity)) if np.isfinite(diversity).any() else 0.0,
        "answered": float((lists[:, 0] >= 0).mean()) if len(users) else 0.0,
    }
    listed = (lists >= 0).sum(axis=1).astype(np.float64)
    sums |= {
        "head": Sums(m.in_head(lists, train.counts).sum(axis=1).astype(np.float64), listed),
        "novelty": Sums(m.self_information(lists, train.counts, active).sum(axis=1), listed),
        "diversity": Sums.mean(diversity),
        "answered": Sums.mean((lists[:, 0] >= 0).astype(np.float64)),
    }
    return Ranked(result, UserFigures(users, sums), lists, wanted)


def measure_questions(
    model: Scoring, split: Split, catalog: Catalog, *, k: int = 10, lister: Lister | None = None
) -> dict[str, float]:
    """`measure_ranking` of each question of a split, every test movie relevant: `ndcg@k/NAME`, then `recall@k/NAME`."""
    return rank_questions(model, split, catalog, k=k, lister=lister)[0]


def rank_questions(
    model: Scoring, split: Split, catalog: Catalog, *, k: int = 10, lister: Lister | None = None
) -> tuple[dict[str, float], UserFigures]:
    """`measure_questions`, with the values of each user."""
    ranked = {
        question.name: rank_users(model, question, catalog, k=k, lister=lister, train=split.train)
        for question in split.questions
    }
    keys = (f"ndcg@{k}", f"recall@{k}")
    metrics = {f"{key}/{name}": ranked[name].metrics[key] for key in keys for name in ranked}
    figures = UserFigures.joined(
        [
            UserFigures(entry.figures.users, {f"{key}/{name}": entry.figures.sums[key] for key in keys})
            for name, entry in ranked.items()
        ]
    )
    return metrics, figures


def _relevant(split: Split | Question, relevant: Relevance, scale: Scale) -> Ratings:
    return split.test if relevant == "all" else split.test.select(liked(split.history, split.test, scale))


def _hits(lists: NDArray[np.int64], movies: Ratings, users: NDArray[np.int64]) -> tuple[m.Hits, m.Counts]:
    return m.hits_of(lists, movies.matrix(binary=True)[users])


def _mean(values: m.PerUser) -> float:
    """Over the users to whom something is relevant; 0 without any."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


@dataclass(frozen=True)
class Predicted:
    """The stars predicted for test ratings, and how good they are.

    Attributes:
        metrics: as `measure_stars` returns them.
        figures: the same by user.
        owners: (n_ratings,), places in `figures.users`.
        movies: (n_ratings,), rows.
        predicted, actual: (n_ratings,), stars.
    """

    metrics: dict[str, float]
    figures: UserFigures
    owners: NDArray[np.int64]
    movies: NDArray[np.int64]
    predicted: NDArray[np.float32]
    actual: NDArray[np.float32]


def measure_stars(
    model: Model[Any], split: Split, scale: tuple[float, float], *, users: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Error of the stars predicted for each test rating.

    Where a model gives none the mean of the training ratings stands in, as serving does.

    Returns:
        `rmse`, `mae` in stars; `predicted`: share of the test ratings the model had an opinion on; of a model that
        makes use of the time of a rating also `timed_rmse` and `timed_mae`, where it is told that time; of one that
        gives intervals also `interval_coverage`, the share of the ratings within, and `interval_width`, their mean
        width in stars.

    Raises:
        InvalidInputError: the model's scores are not stars.
    """
    return predict_stars(model, split, scale, users=users).metrics


def predict_stars(
    model: Model[Any], split: Split, scale: tuple[float, float], *, users: NDArray[np.int64] | None = None
) -> Predicted:
    """`measure_stars`, with the predictions and the errors of each user.

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
    movies: list[NDArray[np.int64]] = []
    ends: list[tuple[NDArray[Any], NDArray[Any]]] = []
    predicted_then: list[NDArray[np.float32]] = []
    timed = type(model).score_at is not Model.score_at and bool((split.test.times != NO_TIME).any())
    for batch, queries, scores in _scored(model, split.history, users):
        for user, query, row in zip(batch, queries, scores, strict=True):
            rows, stars, times = split.test.history(int(user))
            predicted.append(row[rows])
            actual.append(stars)
            movies.append(rows.astype(np.int64))
            if (pair := model.score_intervals(query, movies[-1])) is not None:
                ends.append(pair)
            if timed:
                predicted_then.append(model.score_at(query, movies[-1], times))
    stars_predicted, stars_actual = np.concatenate(predicted), np.concatenate(actual)
    owners = np.repeat(np.arange(len(users)), [len(part) for part in actual])
    unknown = np.isnan(stars_predicted)
    mean = float(np.mean(split.train.values, dtype=np.float64))
    stars_predicted = np.clip(np.where(unknown, mean, stars_predicted), *scale)
    metrics = {
        "rmse": m.rmse(stars_predicted, stars_actual),
        "mae": m.mae(stars_predicted, stars_actual),
        "predicted": float(1.0 - unknown.mean()),
    }
    errors = np.abs(stars_predicted.astype(np.float64) - stars_actual)
    n = len(users)
    sums = {
        "rmse": Sums.by_owner(owners, n, errors**2, root=True),
        "mae": Sums.by_owner(owners, n, errors),
        "predicted": Sums.by_owner(owners, n, ~unknown),
    }
    if timed:
        errors_then = np.abs(np.concatenate(predicted_then).astype(np.float64) - stars_actual)
        metrics |= {"timed_rmse": float(np.sqrt(np.mean(errors_then**2))), "timed_mae": float(np.mean(errors_then))}
        sums["timed_rmse"] = Sums.by_owner(owners, n, errors_then**2, root=True)
        sums["timed_mae"] = Sums.by_owner(owners, n, errors_then)
    if ends:
        lower, upper = (np.concatenate([pair[end] for pair in ends]).astype(np.float64) for end in (0, 1))
        within, known = m.within_interval(lower, upper, stars_actual), np.isfinite(lower) & np.isfinite(upper)
        if known.any():
            metrics["interval_coverage"] = m.interval_coverage(lower, upper, stars_actual)
            metrics["interval_width"] = float(np.mean((upper - lower)[known]))
            sums["interval_coverage"] = Sums.by_owner(owners, n, within, known)
            sums["interval_width"] = Sums.by_owner(owners, n, upper - lower, known)
    return Predicted(metrics, UserFigures(users, sums), owners, np.concatenate(movies), stars_predicted, stars_actual)


def genre_vectors(catalog: Catalog) -> sp.csr_matrix:
    """Movies × genres, rows of unit length (zero without genres)."""
    table = pl.DataFrame({"row": np.arange(len(catalog)), "genre": catalog.frame["genres"]})
    table = table.explode("genre").drop_nulls().unique(maintain_order=True)
    rows, codes = table["row"].to_numpy(), table["genre"].rank("dense").to_numpy().astype(np.int64) - 1
    lengths = np.sqrt(np.maximum(np.bincount(rows, minlength=len(catalog)), 1))
    n_genres = int(codes.max()) + 1 if len(codes) else 1
    values = (1.0 / lengths[rows]).astype(np.float32)
    return sp.csr_matrix((values, (rows, codes)), shape=(len(catalog), n_genres))
