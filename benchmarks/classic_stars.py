"""The classic star models beside ours, on the split of `ml-latest-small-ratings` (80:20, three seeds).

    python benchmarks/classic_stars.py                  # the test parts
    python benchmarks/classic_stars.py --validation     # for choosing settings: never a test rating
    python benchmarks/classic_stars.py --models biases forest-sparse --splits 1

The earlier system reported RMSE .96 of a forest on sparse features and .91 on embeddings of texts. Texts are those of
the overviews beside the data, where they are there, without the users' tags. The first run encodes them (minutes); the
cache keeps them. Without an encoder's weights the words' TF-IDF stands in, and the table says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from coldstart import SHARED, show, source
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers import read_source
from matinee.errors import MatineeError
from matinee.evaluation.protocols import PROTOCOLS, EvaluationSource, Split
from matinee.models import ForestStars, ItemKnnStars, Model, Query, RidgeStars, Stars, Svd, SvdPlusPlus, UserKnnStars
from matinee.settings import Settings
from matinee.training.vector_spaces import text_space

MODELS: dict[str, Callable[[], Model[Any]]] = {
    "biases": lambda: Stars(n_factors=0),
    "cosine-text": lambda: RidgeStars(min_ratings=10**9),
    "forest-sparse": lambda: ForestStars(features="sparse"),
    "forest-text": ForestStars,
    "ridge-text": RidgeStars,
    "svd": Svd,
    "svdpp": SvdPlusPlus,
    "itemknn": ItemKnnStars,
    "userknn": UserKnnStars,
    "stars": Stars,
}
REPORTED = {"forest-sparse": 0.96, "forest-text": 0.91}
"""RMSE that the earlier system reported."""


def with_texts(dataset: Dataset, settings: Settings) -> Dataset:
    """The data set with the vectors of its texts; without them where no encoder can be had."""
    try:
        return replace(dataset, vectors={"text": text_space(dataset, settings, show).movies})
    except MatineeError as error:
        print(f"No vectors of texts, TF-IDF stands in: {error}")
        return replace(dataset, vectors={})


def errors(model: Model[Any], split: Split, scale: tuple[float, float]) -> tuple[float, float]:
    """RMSE and MAE; the mean of the training ratings where the model says nothing."""
    found = []
    mean = float(split.train.values.mean(dtype=np.float64))
    for user in range(split.test.n_users):
        rows, stars, _ = split.test.history(user)
        if len(rows):
            predicted = model.score_rows(Query.of(split.history, user), rows.astype(np.int64))
            found.append(np.clip(np.where(np.isnan(predicted), mean, predicted), *scale) - stars)
    off = np.concatenate(found).astype(np.float64)
    return float(np.sqrt((off**2).mean())), float(np.abs(off).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small")
    parser.add_argument(
        "--protocol", default="ml-latest-small-ratings", choices=[n for n in PROTOCOLS if "ratings" in n]
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--validation", action="store_true")
    arguments = parser.parse_args()
    settings, protocol = Settings(), PROTOCOLS[arguments.protocol]
    with source(arguments.data) as folder:
        data = EvaluationSource(load_dataset(folder, settings), read_source(folder).ratings)
        known = with_texts(protocol.data(data), settings)
    table: dict[str, list[tuple[float, ...]]] = {name: [] for name in arguments.models}
    for number, split in enumerate(protocol.splits(data, validation=arguments.validation)):
        if number == arguments.splits:
            break
        for name in arguments.models:
            start = time.perf_counter()
            model = MODELS[name]().fit(known.with_ratings(split.train))
            fitted = time.perf_counter()
            measured = errors(model, split, known.scale)
            table[name].append((*measured, fitted - start, time.perf_counter() - fitted))
            print(f"{split.name}: {name} {measured[0]:.4f}", file=sys.stderr, flush=True)
    part = " (validation)" if arguments.validation else ""
    print(f"\n{protocol.name}{part}, mean of {len(next(iter(table.values())))} splits; reported: by the earlier system")
    print(f"{'model':<16}{'RMSE':>8}{'±':>7}{'MAE':>8}{'reported':>10}{'fit s':>8}{'ask s':>8}")
    for name, rows in table.items():
        rmse, mae, fit, ask = np.mean(rows, axis=0)
        reported = f"{REPORTED[name]:.2f}" if name in REPORTED and protocol.name.startswith("ml-latest") else ""
        print(
            f"{name:<16}{rmse:>8.4f}{np.std([r[0] for r in rows]):>7.4f}{mae:>8.4f}{reported:>10}{fit:>8.1f}{ask:>8.1f}"
        )


if __name__ == "__main__":
    main()
