"""The networks: cross-entropy of stars on random 90:10 splits, and lists beside EASE.

    python benchmarks/networks.py bce                    # RecommenderNet and Stars, three splits of ml-latest-small
    python benchmarks/networks.py bce --validation       # the training parts split again, for choosing settings
    python benchmarks/networks.py lists --data ../shared/data/ml-1m                # RecVAE, EASE and both, seed 0
    python benchmarks/networks.py lists --data ../shared/data/ml-1m --validation   # the users kept for validation

Stars are measured twice: with the times of the ratings asked, and at a time far from the history, as lists are made.
`matinee tune recommendernet` searches for settings.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.evaluation.measure import measure_ranking
from matinee.evaluation.protocols import EvaluationSource, get_protocol
from matinee.models import Blend, Ease, Query, RecommenderNet, RecVAE, Stars

RECVAE: dict[str, Any] = {
    "hidden": 300,
    "latent": 128,
    "learning_rate": 1.5e-3,
    "encoder_passes": 2,
    "min_ratings": 5,
    "epochs": 40,
    "patience": 5,
    "members": 2,
}
SHARE = 0.875
"""RecVAE's share of the fusion, chosen on the validation users."""


def halves(ratings: Ratings, seed: int, *, validation: bool) -> tuple[Ratings, Ratings]:
    """A random 90:10 split; for validation its training part split again."""
    rows = np.random.RandomState(seed).permutation(len(ratings))
    train, test = np.split(rows, [int(0.9 * len(rows))])
    if validation:
        rows = train[np.random.RandomState(1000 + seed).permutation(len(train))]
        train, test = np.split(rows, [int(0.9 * len(rows))])
    masks = np.zeros((2, len(ratings)), dtype=np.bool_)
    masks[0, train] = masks[1, test] = True
    return ratings.select(masks[0]), ratings.select(masks[1])


def bce(dataset: Dataset, *, validation: bool) -> None:
    low, high = dataset.scale
    for seed in range(3):
        train, test = halves(dataset.ratings, seed, validation=validation)
        for model in (Stars(), RecommenderNet()):
            begun = time.perf_counter()
            model.fit(dataset.with_ratings(train))
            took = time.perf_counter() - begun
            found: dict[str, list[Any]] = {"without times": [], "with times": []}
            actual = []
            for user in np.flatnonzero(np.diff(test.indptr)).tolist():
                rows, stars, times = test.history(user)
                query = Query.of(train, user)
                actual.append(stars)
                found["without times"].append(model.score([query])[0][rows])
                if isinstance(model, RecommenderNet):
                    found["with times"].append(model.predict(query, rows.astype(np.int64), times))
            stars = np.concatenate(actual)
            for name, parts in found.items():
                if parts:
                    predicted = np.concatenate(parts)
                    predicted = np.where(np.isnan(predicted), train.values.mean(), predicted)
                    y, p = ((values - low) / (high - low) for values in (stars, predicted))
                    p = np.clip(p, 1e-3, 1 - 1e-3)
                    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
                    error = np.sqrt(np.square(predicted - stars).mean())
                    print(
                        f"seed {seed} {model.name} {name}: BCE {loss:.4f}, RMSE {error:.4f}, fit {took:.0f} s",
                        flush=True,
                    )


def lists(dataset: Dataset, *, validation: bool) -> None:
    protocol, source = get_protocol("implicit"), EvaluationSource(dataset)
    known = protocol.data(source)
    split = next(iter(protocol.splits(source, validation=validation)))
    part = known.with_ratings(split.train)
    begun = time.perf_counter()
    ease, recvae = Ease().fit(part), RecVAE(**RECVAE).fit(part)
    print(f"fitted in {time.perf_counter() - begun:.0f} s")
    weights = {"ease": 1 - SHARE, "recvae": SHARE}
    blend = Blend(weights=weights, content=None, popular=None, learn=False).bind({"ease": ease, "recvae": recvae})
    for model in (ease, recvae, blend.fit(part)):
        figures = measure_ranking(model, split, known.catalog, k=protocol.k)
        print(f"{model.name}: R@20 {figures['recall@20']:.4f}, N@20 {figures['ndcg@20']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bce", "lists"])
    parser.add_argument("--data", default="ml-latest-small", help="name or folder")
    parser.add_argument("--validation", action="store_true")
    args = parser.parse_args()
    dataset = load_dataset(args.data)
    {"bce": bce, "lists": lists}[args.what](dataset, validation=args.validation)


if __name__ == "__main__":
    main()
