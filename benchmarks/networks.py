"""The networks: cross-entropy of stars on random 90:10 splits, lists beside EASE, and a search for settings.

    python benchmarks/networks.py bce                    # RecommenderNet and Stars, three splits of ml-latest-small
    python benchmarks/networks.py bce --validation       # the training parts split again, for choosing settings
    python benchmarks/networks.py lists --data ../shared/data/ml-1m                # RecVAE, EASE and both, seed 0
    python benchmarks/networks.py lists --data ../shared/data/ml-1m --validation   # the users kept for validation
    python benchmarks/networks.py search --trials 30     # Optuna: poor trials are given up after a few epochs

Stars are measured twice: with the times of the ratings asked, and at a time far from the history, as lists are made.
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
    "epochs": 30,
    "patience": 4,
}
SHARE = 0.8
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


def search(dataset: Dataset, trials: int) -> None:
    import optuna

    train, _ = halves(dataset.ratings, 0, validation=False)
    part = dataset.with_ratings(train)

    def suggest(trial: Any, name: str, text: str) -> Any:
        low, colon, high = text.partition(":")
        if not colon:
            options = [int(value) if value.isdigit() else value for value in text.split(",")]
            return trial.suggest_categorical(name, options)
        whole = RecommenderNet.Config.model_fields[name].annotation is int
        log = float(low) > 0
        if whole:
            return trial.suggest_int(name, int(low), int(high), log=log)
        return trial.suggest_float(name, float(low), float(high), log=log)

    def objective(trial: Any) -> float:
        settings = {name: suggest(trial, name, text) for name, text in RecommenderNet.search_ranges.items()}

        def on_epoch(epoch: int, loss: float | None) -> None:
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return RecommenderNet(**settings).validation_loss(part, on_epoch)

    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(
        sampler=sampler, pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    )
    defaults = RecommenderNet().config
    study.enqueue_trial({name: getattr(defaults, name) for name in RecommenderNet.search_ranges})
    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    print(f"BCE {study.best_value:.4f} with {study.best_params}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bce", "lists", "search"])
    parser.add_argument("--data", default="ml-latest-small", help="name or folder")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--trials", type=int, default=30)
    args = parser.parse_args()
    dataset = load_dataset(args.data)
    if args.what == "search":
        search(dataset, args.trials)
    else:
        {"bce": bce, "lists": lists}[args.what](dataset, validation=args.validation)


if __name__ == "__main__":
    main()
