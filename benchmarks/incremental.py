"""An incremental training beside a whole one: processor seconds, and how alike their answers are.

Ratings of a data set are held back to measure with: a fifth of those of some users, drawn at random. The last share of
the others by time is "new". Three trainings, without metrics and vectors of texts: `base` on all but the new ones,
`whole` on all, and `incremental` on all, from `base`. For every model: nDCG@10 of the liked ratings held back, and the
share of the whole training's lists of ten that the others' have in common with them; of models of stars also the RMSE.

    python benchmarks/incremental.py DATA [--new .01 .05] [--users 1000]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.split import users_of
from matinee.evaluation.metrics import hits_of, ndcg, rank
from matinee.models import Query
from matinee.models.blend.weights import like_floor
from matinee.settings import Settings
from matinee.snapshots import Snapshot
from matinee.training.pipeline import train_dataset

BATCH = 50


def held_back(dataset: Dataset, n_users: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the users measured on, and which ratings are held back."""
    rng = np.random.default_rng(seed)
    ratings = dataset.ratings
    users = np.sort(rng.permutation(np.flatnonzero(np.diff(ratings.indptr) >= 20))[:n_users])
    mask = np.isin(users_of(ratings), users) & (rng.random(len(ratings)) < 0.2)
    return users, mask


def seconds_of(steps: dict[str, float], begun: list[float]):
    """A progress callback that adds up processor seconds by step."""

    def progress(what: str, share: float) -> None:
        del share
        now = time.process_time()
        name = begun[1] if len(begun) > 1 else "start"
        steps[name] = steps.get(name, 0.0) + now - begun[0]
        begun[:] = [now, what.partition(" (up to")[0]]
        if begun[1] != name:
            print(f"{name:44}{steps[name]:8.1f}", file=sys.stderr, flush=True)

    return progress


def train(
    home: Path, dataset: Dataset, *, incremental: bool, promote: bool
) -> tuple[str, float, float, dict[str, float]]:
    """Id, seconds of processors and by the clock, and the former by step."""
    settings = Settings(data_dir=home, cache_dir=home / "cache", offline=True, text_encoder="off", image_encoder="off")
    steps: dict[str, float] = {}
    begun = time.process_time(), time.perf_counter()
    snapshot = train_dataset(
        settings,
        dataset,
        measure=False,
        incremental=incremental,
        promote=promote,
        progress=seconds_of(steps, [begun[0]]),
    )
    return snapshot, time.process_time() - begun[0], time.perf_counter() - begun[1], steps


def lists_of(snapshot: Snapshot, name: str, queries: list[Query], seen: sp.csr_matrix) -> np.ndarray:
    """(n, 10)"""
    parts = []
    for start in range(0, len(queries), BATCH):
        scores = snapshot.models[name].score(queries[start : start + BATCH])
        parts.append(rank(scores, seen[start : start + BATCH], 10))
    return np.vstack(parts)


def rmse_of(snapshot: Snapshot, name: str, queries: list[Query], test: sp.csr_matrix) -> float:
    """Of the stars held back; NaN: no model of stars."""
    model = snapshot.models[name]
    if not model.predicts_stars:
        return float("nan")
    errors = []
    for query, start, stop in zip(queries, test.indptr[:-1], test.indptr[1:], strict=True):
        rows = test.indices[start:stop].astype(np.int64)
        errors.append(model.score_rows(query, rows) - test.data[start:stop])
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


class Comparison:
    """Data with ratings held back, and the whole training on them.

    Args:
        data: a folder.
        root: where snapshots are written.
    """

    def __init__(self, data: str, n_users: int, seed: int, root: Path) -> None:
        self.root = root
        loaded = load_dataset(data, Settings(data_dir=root, offline=True))
        users, mask = held_back(loaded, n_users, seed)
        test = sp.csr_matrix(loaded.ratings.select(mask).matrix()[users])
        self.now = replace(loaded.with_ratings(loaded.ratings.select(~mask)), name="data")
        self.queries = [Query.of(self.now.ratings, int(user)) for user in users]
        self.seen = sp.csr_matrix(self.now.ratings.matrix(binary=True)[users])
        self.test, self.liked = test, test.copy()
        self.liked.data = (test.data >= like_floor(self.now.scale)).astype(np.float32)
        self.liked.eliminate_zeros()
        self.whole = train(root, self.now, incremental=False, promote=False)

    def before(self, share: float) -> Dataset:
        """The data without the newest share of the ratings, and without users who have no others."""
        order = np.argsort(self.now.ratings.times, kind="stable")
        keep = np.ones(len(order), dtype=np.bool_)
        keep[order[len(order) - round(share * len(order)) :]] = False
        ratings = self.now.ratings.select(keep)
        return self.now.with_ratings(ratings.of_users(np.flatnonzero(np.diff(ratings.indptr))))

    def of(self, share: float) -> dict:
        """One comparison."""
        made = {
            "whole": self.whole,
            "base": train(self.root, self.before(share), incremental=False, promote=True),
            "incremental": train(self.root, self.now, incremental=True, promote=False),
        }
        trained = {kind: Snapshot.load(self.root / "snapshots", one[0], verify="size") for kind, one in made.items()}
        rows = []
        for name in trained["whole"].models:
            lists = {kind: lists_of(snapshot, name, self.queries, self.seen) for kind, snapshot in trained.items()}
            ndcgs = {kind: float(np.nanmean(ndcg(*hits_of(listed, self.liked)))) for kind, listed in lists.items()}
            common = {
                kind: float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(lists["whole"], listed, strict=True)]))
                for kind, listed in lists.items()
            }
            rmse = {kind: rmse_of(snapshot, name, self.queries, self.test) for kind, snapshot in trained.items()}
            rows.append({"model": name, "ndcg@10": ndcgs, "common": common, "rmse": rmse})
        return {
            "new": share,
            "changes": trained["incremental"].manifest.settings["incremental"],
            "seconds": {kind: one[1:3] for kind, one in made.items()},
            "steps": {kind: one[3] for kind, one in made.items()},
            "models": rows,
        }


def show(result: dict) -> None:
    """Print the tables."""
    print(f"\nnew: {result['new']:.0%}; {result['changes']}")
    print(f"{'step':44}{'whole':>8}{'incremental':>13}  (processor seconds)")
    for step, seconds in result["steps"]["whole"].items():
        print(f"{step:44}{seconds:8.1f}{result['steps']['incremental'].get(step, 0.0):13.1f}")
    for kind, (processor, clock) in result["seconds"].items():
        print(f"{kind:12} {processor:8.1f} s of processors, {clock:8.1f} s by the clock")
    heads = ("nDCG whole", 11), ("incr.", 8), ("base", 8), ("common incr.", 14), ("base", 8), ("RMSE whole", 12)
    print(f"{'model':12}" + "".join(f"{head:>{width}}" for head, width in (*heads, ("incr.", 8))))
    for row in result["models"]:
        n, c, r = row["ndcg@10"], row["common"], row["rmse"]
        print(
            f"{row['model']:12}{n['whole']:11.4f}{n['incremental']:8.4f}{n['base']:8.4f}"
            f"{c['incremental']:14.3f}{c['base']:8.3f}{r['whole']:12.4f}{r['incremental']:8.4f}"
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--new", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as root:
        comparison = Comparison(arguments.data, arguments.users, arguments.seed, Path(root))
        for share in arguments.new:
            result = comparison.of(share)
            print(json.dumps(result)) if arguments.json else show(result)
            sys.stdout.flush()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
