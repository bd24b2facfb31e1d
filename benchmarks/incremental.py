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
from matinee.snapshots import Snapshot, SnapshotRegistry
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


def train(home: Path, dataset: Dataset, incremental: bool, kinds: str) -> tuple[str, float, float, dict[str, float]]:
    """Id, seconds of processors and by the clock, and the former by step."""
    settings = Settings(data_dir=home, cache_dir=home / "cache", offline=True, text_encoder="off", image_encoder="off")
    steps: dict[str, float] = {}
    begun = time.process_time(), time.perf_counter()
    snapshot = train_dataset(
        settings, dataset, measure=False, incremental=incremental, promote=not incremental and kinds == "base",
        progress=seconds_of(steps, [begun[0]]),
    )  # fmt: skip
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


def compare(data: str, share: float, n_users: int, seed: int) -> dict:
    """One comparison."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        whole_data = load_dataset(data, Settings(data_dir=root, offline=True))
        users, mask = held_back(whole_data, n_users, seed)
        ratings = whole_data.ratings
        test = sp.csr_matrix(ratings.select(mask).matrix()[users])
        now = replace(whole_data.with_ratings(ratings.select(~mask)), name="data")
        order = np.argsort(now.ratings.times, kind="stable")
        keep = np.ones(len(order), dtype=np.bool_)
        keep[order[len(order) - round(share * len(order)) :]] = False
        before = now.with_ratings(now.ratings.select(keep))
        rated = np.diff(before.ratings.indptr) > 0  # nobody without ratings is in a data set
        before = before.with_ratings(before.ratings.of_users(np.flatnonzero(rated)))
        queries = [Query.of(now.ratings, int(user)) for user in users]
        seen = sp.csr_matrix(now.ratings.matrix(binary=True)[users])
        liked = test.copy()
        liked.data = (liked.data >= like_floor(now.scale)).astype(np.float32)
        liked.eliminate_zeros()
        trained, seconds, steps = {}, {}, {}
        for kind, dataset in (("base", before), ("whole", now), ("incremental", now)):
            name, *seconds[kind], steps[kind] = train(root, dataset, kind == "incremental", kind)
            trained[kind] = Snapshot.load(root / "snapshots", name, verify="size")
        rows = []
        for name in trained["whole"].models:
            lists = {kind: lists_of(snapshot, name, queries, seen) for kind, snapshot in trained.items()}
            figures = {kind: float(np.nanmean(ndcg(*hits_of(listed, liked)))) for kind, listed in lists.items()}
            common = {
                kind: float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(lists["whole"], listed, strict=True)]))
                for kind, listed in lists.items()
            }
            rmse = {kind: rmse_of(snapshot, name, queries, test) for kind, snapshot in trained.items()}
            rows.append({"model": name, "ndcg@10": figures, "common": common, "rmse": rmse})
        info = SnapshotRegistry(root / "snapshots").show(trained["incremental"].id).settings["incremental"]
        return {"new": share, "changes": info, "seconds": seconds, "steps": steps, "models": rows}


def show(result: dict) -> None:
    """Print the tables."""
    print(f"\nnew: {result['new']:.0%}; {result['changes']}")
    print(f"{'step':44}{'whole':>8}{'incremental':>13}  (processor seconds)")
    for step, seconds in result["steps"]["whole"].items():
        print(f"{step:44}{seconds:8.1f}{result['steps']['incremental'].get(step, 0.0):13.1f}")
    for kind, (processor, clock) in result["seconds"].items():
        print(f"{kind:12} {processor:8.1f} s of processors, {clock:8.1f} s by the clock")
    print(
        f"{'model':12}{'nDCG whole':>11}{'incr.':>8}{'base':>8}{'common incr.':>14}{'base':>8}{'RMSE whole':>12}{'incr.':>8}"
    )
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
    print(f"load {os.getloadavg()[0]:.1f}")
    for share in arguments.new:
        result = compare(arguments.data, share, arguments.users, arguments.seed)
        print(json.dumps(result)) if arguments.json else show(result)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
