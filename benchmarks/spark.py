"""Training on Spark: seconds of each step, by the clock and of processors, and ALS beside Spark's own (MLlib).

    python benchmarks/spark.py train FOLDER [--master local[2]] [--conf spark.executor.memory=2g]
    python benchmarks/spark.py als FOLDER [--factors 64] [--sweeps 6]

Run it in the environment of `make spark`. `train` is `matinee train --engine spark` into a temporary folder; data sets
of any size are written by `python benchmarks/scale.py write FOLDER --ratings 100e6`. `als` fits implicit ALS with the
same ratings, factors and sweeps by local training, by ours on Spark and by MLlib (implicitPrefs, α = 1/α of ours, and a
ridge that is the same in the mean over ratings: the forms differ), and tells nDCG@10 on a fifth of the ratings of 2,000
users, folded in by their other ratings; MLlib's users are those that it trained.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from matinee import Settings
from matinee._util.progress import silent
from matinee.cli.spark import parse_conf
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.models import ImplicitALS, Query
from matinee.models.ials import ridge_of, settings_for
from matinee.snapshots import SnapshotRegistry
from matinee.spark.fitting import SparkFit
from matinee.spark.session import spark_session
from matinee.spark.train import train

USERS = 2000


TICKS: dict[int, int] = {}
"""Process → what it had used when it was last seen: tasks' Pythons end without anybody who adds their times up."""


def processor() -> float:
    """Processor seconds so far of this process and of all that it started: Java, and the Pythons of tasks (Linux)."""
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = place.read_text().rpartition(")")[2].split()
            pid = int(place.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    more = {os.getpid()}
    while more:
        TICKS.update({pid: ticks.get(pid, 0) for pid in more})
        more = {pid for pid, parent in parents.items() if parent in more}
    return sum(TICKS.values()) / os.sysconf("SC_CLK_TCK")


def steps(folder: str, master: str, conf: dict[str, str]) -> None:
    """Train, and print when each step as it ends."""
    begun = time.perf_counter()
    now, since, used = "", begun, 0.0

    def progress(what: str, share: float) -> None:
        nonlocal now, since, used
        del share
        what, so_far = what.partition(" (up to")[0], processor()
        if what != now:
            if now:
                print(f"{now:44} {time.perf_counter() - since:9.1f} {so_far - used:9.1f}", flush=True)
            now, since, used = what, time.perf_counter(), so_far

    with tempfile.TemporaryDirectory() as home:
        settings = Settings(data_dir=Path(home), offline=True, text_encoder="off", image_encoder="off")
        snapshot_id = train(
            settings, folder, master=master, spark_settings=conf, include_store=False, progress=progress
        )
        progress("end", 1.0)
        manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
    print(f"{'all':44} {time.perf_counter() - begun:9.1f}")
    size = f"{manifest.n_ratings:,} ratings, {manifest.n_users:,} users, {manifest.n_items:,} films"
    print(f"{size}; load {os.getloadavg()}")
    for name, why in manifest.settings["skipped"].items():
        print(f"left out: {name}: {why}")


def ndcg(scores_of: Any, train_part: Dataset, test: Ratings) -> float:
    """nDCG@10 of the first users that have test ratings, every rating relevant."""
    discounts, found = 1 / np.log2(np.arange(2, 12)), []
    for user in range(min(train_part.ratings.n_users, USERS)):
        relevant = test.history(user)[0]
        if len(relevant):
            scores = np.array(scores_of(user), dtype=np.float32)
            scores[train_part.ratings.history(user)[0]] = -np.inf
            best = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:10]
            found.append((np.isin(best, relevant) * discounts).sum() / discounts[: len(relevant)].sum())
    return float(np.mean(found))


def als(folder: str, master: str, conf: dict[str, str], factors: int, sweeps: int) -> None:
    """Three fits of the same ratings."""
    from pyspark.ml.recommendation import ALS

    whole = load_dataset(folder, credits=False)
    keep = np.random.default_rng(0).random(len(whole.ratings)) < 0.8
    data, test = whole.with_ratings(whole.ratings.select(keep)), whole.ratings.select(~keep)
    model = ImplicitALS(n_factors=factors, iterations=sweeps)
    ImplicitALS(n_factors=factors, iterations=1).fit(data)  # compiled

    def now() -> np.ndarray:
        return np.array([time.perf_counter(), processor()])

    def row(name: str, seconds: np.ndarray, scores_of: Any) -> None:
        told = f"{seconds[0]:9.1f} s {seconds[1]:9.1f} processor s"
        print(f"{name:28} {told}   nDCG@10 {ndcg(scores_of, data, test):.4f}", flush=True)

    def folded_in(fitted: Any) -> Any:
        return lambda user: fitted.score([Query.of(data.ratings, user)])[0]

    begun = now()
    local = ImplicitALS(model.config).fit(data)
    own = now() - begun
    row("local", own, folded_in(local))
    with spark_session(master, conf) as spark:
        fit = SparkFit(spark)
        for attempt in ("first", "again"):
            begun = now()
            ours = fit(model, data, silent)
            row(f"on Spark, {attempt}", now() - begun, folded_in(ours))
        sizes, k = np.diff(data.ratings.indptr), len(np.unique(data.ratings.indices))
        _, regularization, alpha = settings_for(model.config, len(data.ratings), len(sizes), k)
        ridge = ridge_of(sizes, k, regularization, alpha, model.config.exponent)
        users = np.repeat(np.arange(data.ratings.n_users), np.diff(data.ratings.indptr))
        import pyarrow as pa

        table = pa.table(
            {"user": users.astype(np.int32), "item": data.ratings.indices, "rating": np.ones(len(users), np.float32)}
        )
        rows = spark.createDataFrame(table).cache()
        rows.count()
        mean_ridge = float(ridge.sum() / (alpha * sizes.sum()))
        theirs = ALS(
            userCol="user", itemCol="item", ratingCol="rating", rank=factors, maxIter=sweeps, implicitPrefs=True,
            alpha=1 / alpha, regParam=mean_ridge, seed=0, numUserBlocks=4, numItemBlocks=4, nonnegative=False,
        )  # fmt: skip
        begun = now()
        fitted = theirs.fit(rows)
        movies = np.zeros((len(data.catalog), factors), dtype=np.float32)
        for found in fitted.itemFactors.collect():
            movies[found.id] = found.features
        seconds = now() - begun
        people = np.zeros((data.ratings.n_users, factors), dtype=np.float32)
        for found in fitted.userFactors.collect():
            people[found.id] = found.features
        row("Spark MLlib", seconds, lambda user: movies @ people[user])
    print(
        f"MLlib takes {seconds[0] / own[0]:.1f} times the seconds of local training, and "
        f"{seconds[1] / own[1]:.1f} times its processor seconds; load {os.getloadavg()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("train", "als"), default="als")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).parents[2] / "shared" / "data" / "ml-1m"))
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--conf", action="append")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--sweeps", type=int, default=6)
    given = parser.parse_args()
    if given.what == "train":
        steps(given.folder, given.master, parse_conf(given.conf))
    else:
        als(given.folder, given.master, parse_conf(given.conf), given.factors, given.sweeps)


if __name__ == "__main__":
    main()
