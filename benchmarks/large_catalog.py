"""A large, sparse catalogue: how long training and scoring every user take, and whether the default leads its parts.

    python benchmarks/large_catalog.py                       # 30,000 users × 41,000 films, 1,000,000 events
    python benchmarks/large_catalog.py --users 3000 --films 4000 --events 100000

The data are made by a seeded generator: films belong to 600 topics, popular ones by Zipf's law; a user cares for a few
topics, some of them neighbors on a ring, and now and then takes what everybody takes. There are no stars: every event
counts the same. A fifth of each user's events is held out; all films are ranked, those seen left out. Times are wall
time of this machine; compare them with those of item-kNN in the same run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.data.catalog import Catalog
from matinee.data.dataset import CleaningReport, Dataset
from matinee.data.ratings import NO_TIME, Ratings
from matinee.data.split import random_per_user, users_of
from matinee.evaluation.measure import fit_models
from matinee.evaluation.metrics import hits_of, ndcg, recall
from matinee.models import default_lineup
from matinee.models.base import Model, Query

TOPICS = 600
K = 20
BATCH = 64
REPEATS = 1.33
"""Films are drawn with repeats, which count once: so many times as many are drawn."""


def generate(n_users: int, n_films: int, n_events: int, seed: int) -> Dataset:
    """Implicit data of about so many events."""
    rng = np.random.default_rng(seed)
    topics = max(min(TOPICS, n_films // 20), 1)
    topic_of = rng.integers(0, topics, n_films)
    weight = 1 / np.arange(1, n_films + 1) ** 0.8
    weight = weight[rng.permutation(n_films)]
    films_of = [np.flatnonzero(topic_of == topic) for topic in range(topics)]
    chance_of = [weight[films] / weight[films].sum() for films in films_of]
    overall = weight / weight.sum()
    sizes = np.clip(rng.lognormal(np.log(REPEATS * n_events / n_users) - 0.32, 0.8, n_users), 5, n_films // 4).astype(
        np.int64
    )
    rows: list[NDArray[np.int64]] = []
    for size in sizes.tolist():
        home = rng.integers(0, topics)
        own = np.concatenate([(home + rng.integers(-3, 4, 4)) % topics, rng.integers(0, topics, 2)])
        share = rng.dirichlet(np.full(len(own), 0.7))
        counts = rng.multinomial(round(0.85 * size), share)
        picks = [
            rng.choice(films_of[topic], count, p=chance_of[topic])
            for topic, count in zip(own.tolist(), counts.tolist(), strict=True)
            if count and len(films_of[topic])
        ]
        rows.append(np.unique(np.concatenate([*picks, rng.choice(n_films, size - round(0.85 * size), p=overall)])))
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    n = int(indptr[-1])
    catalog = Catalog(pl.DataFrame({"movie_id": [str(i) for i in range(n_films)], "title": ["…"] * n_films}))
    ratings = Ratings(
        pl.Series([str(user) for user in range(n_users)]),
        indptr,
        np.concatenate(rows).astype(np.int32),
        np.ones(n, dtype=np.float32),
        np.full(n, NO_TIME, dtype=np.int64),
        n_films,
    )
    return Dataset("generated", catalog, ratings, CleaningReport(source="generated"), (1.0, 1.0))


def lists(model: Model[object], queries: Sequence[Query]) -> NDArray[np.int64]:
    """The K best unseen films of every user."""
    found = np.full((len(queries), K), -1, dtype=np.int64)
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        for number, (query, scores) in enumerate(zip(batch, model.score(batch), strict=True)):
            scores[query.rows] = np.nan
            best = top_n(scores, K)
            found[start + number, : len(best)] = best
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--films", type=int, default=41_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", help="a model of the line-up (again for more)")
    options = parser.parse_args()
    data = generate(options.users, options.films, options.events, options.seed)
    ratings = data.ratings
    kept = random_per_user(users_of(ratings), 0.8, options.seed + 1)
    train, test = ratings.select(kept), ratings.select(~kept)
    part = data.with_ratings(train)
    lineup = default_lineup(part)
    useless = ("content", "stars", "top_rated", "trending")  # nothing is known of the films, and there are no stars
    names = options.model or [name for name in lineup if name not in useless]
    print(
        f"{train.n_users:,} users × {train.n_items:,} films, {len(train):,} events to learn from, {len(test):,} asked"
    )
    fitted = fit_models(lineup, names, part)
    users = np.flatnonzero(np.diff(test.indptr))
    queries = [Query.of(train, int(user)) for user in users]
    relevant = test.matrix(binary=True)[users]
    print(f"| model | fit s | score every user s | ndcg@{K} | recall@{K} |\n|---|---|---|---|---|")
    for name in names:
        start = time.perf_counter()
        hits, n_relevant = hits_of(lists(fitted[name].model, queries), relevant)
        took = time.perf_counter() - start
        figures = (float(np.mean(metric(hits, n_relevant))) for metric in (ndcg, recall))
        print(f"| {name} | {fitted[name].seconds:.1f} | {took:.1f} |", *(f"{x:.4f} |" for x in figures), flush=True)
    curves = getattr(fitted["blend"].model.config, "curves", None) if "blend" in fitted else None
    if curves:
        print("weights of blend at histories of 1, 3, 10, 30, 100 films:", curves, file=sys.stderr)


if __name__ == "__main__":
    main()
