"""Training on Spark: seconds of each step, by the clock and of processors, and ALS beside Spark's own (MLlib).

    python benchmarks/spark.py train FOLDER [--master local[2]] [--conf spark.executor.memory=2g] [--models ials]
    python benchmarks/spark.py lists HOME --models ials [--users 20000]
    python benchmarks/spark.py als FOLDER [--factors 64] [--sweeps 6]

Run it in the environment of `make spark`. `train` is `matinee train --engine spark` into a temporary folder, or one
that is kept (`--home`); data sets of any size are written by `python benchmarks/scale.py write FOLDER --ratings
100e6`. `lists` makes lists of users of the snapshot that `train --home HOME` left. `als` fits implicit ALS with the
same ratings, factors and sweeps by local training, by ours on Spark and by MLlib (implicitPrefs, α = 1/α of ours, and
a ridge that is the same in the mean over ratings: the forms differ), and tells nDCG@10 on a fifth of the ratings of
2,000 users, folded in by their other ratings; MLlib's users are those that it trained.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
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
from matinee.errors import MemoryLimitError
from matinee.models import ImplicitALS, Query
from matinee.models.ials import ridge_of, settings_for
from matinee.snapshots import SnapshotRegistry
from matinee.spark.fitting import SparkFit
from matinee.spark.lists import lists_of
from matinee.spark.session import spark_session
from matinee.spark.train import train

USERS = 2000


INTERVAL = 1.0
MEMORY_EVERY = 3
"""Looks of which one adds up memory, which costs the kernel a walk over all pages."""


class Tree:
    """What this process and all that it started use, seen every second (Linux): Java, and the Pythons of tasks.

    Tasks' Pythons end without anybody who adds their times up, so what each had used when it was last seen is kept.
    """

    def __init__(self) -> None:
        self.ticks: dict[int, tuple[str, int]] = {}
        self.peak = self.peak_all = 0
        self._looks = 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()

    def _sample(self) -> None:
        while not self._over.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """See all processes once."""
        seen: dict[int, tuple[int, str, int]] = {}
        for place in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                before, _, after = place.read_text().rpartition(")")
                fields = after.split()
                ticks = int(fields[11]) + int(fields[12])
                seen[int(place.parent.name)] = int(fields[1]), before.partition("(")[2], ticks
        own, more = set(), {os.getpid()}
        while more:
            own |= more
            more = {pid for pid, (parent, _, _) in seen.items() if parent in more}
        memory = 0
        self._looks += 1
        for pid in own & set(seen) if self._looks % MEMORY_EVERY == 1 else ():
            with suppress(OSError, ValueError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                memory += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10
        with self._lock:
            for pid in own & set(seen):
                kind = "driver" if pid == os.getpid() else "java" if seen[pid][1] == "java" else "tasks"
                self.ticks[pid] = kind, seen[pid][2]
            self.peak = max(self.peak, memory)
            self.peak_all = max(self.peak_all, memory)

    def used(self) -> dict[str, float]:
        """Processor seconds so far, by kind."""
        self.look()
        seconds = dict.fromkeys(("driver", "java", "tasks"), 0.0)
        with self._lock:
            for kind, ticks in self.ticks.values():
                seconds[kind] += ticks / os.sysconf("SC_CLK_TCK")
        return seconds

    def step(self) -> int:
        """Highest bytes in memory since the last call, shared pages counted once."""
        with self._lock:
            peak, self.peak = self.peak, 0
        return peak


class Steps:
    """A progress callback that prints each step as it ends, and leaves models out where the time is over."""

    def __init__(self, until: float = float("inf")) -> None:
        self.tree, self.until = Tree(), until
        self._now, self._since, self._used = "", time.perf_counter(), self.tree.used()
        print(f"{'step':42} {'clock':>8} {'driver':>8} {'Java':>8} {'tasks':>8} {'sum':>8} {'MiB':>8}", flush=True)

    def __call__(self, what: str, share: float) -> None:
        what = what.partition(" (up to")[0]
        if what.startswith("fitting") and what == self._now and share < 1 and time.perf_counter() > self.until:
            raise MemoryLimitError("The time set for the run was over.")  # within the fit, which leaves the model out
        if what == self._now:
            return
        used, now = self.tree.used(), time.perf_counter()
        if self._now:
            seconds = [used[kind] - self._used[kind] for kind in used]
            told = " ".join(f"{part:8.1f}" for part in (now - self._since, *seconds, sum(seconds)))
            print(f"{self._now[:42]:42} {told} {self.tree.step() / 2**20:8,.0f}", flush=True)
        self._now, self._since, self._used = what, now, used

    def end(self, begun: float) -> None:
        """Print the sums."""
        used = self.tree.used()
        told = " ".join(f"{part:8.1f}" for part in (time.perf_counter() - begun, *used.values(), sum(used.values())))
        print(f"{'all':42} {told} {self.tree.peak_all / 2**20:8,.0f}")


def only(names: list[str], settings_of_ials: dict[str, int]) -> None:
    """Let training know these models alone, and these settings of iALS."""
    from matinee.training import pipeline

    lineup_for = pipeline.lineup_for

    def some(settings: Settings) -> Any:
        lineup_of = lineup_for(settings)

        def lineup(dataset: Dataset) -> dict[str, Any]:
            whole = lineup_of(dataset)
            if settings_of_ials and "ials" in whole:
                whole["ials"] = ImplicitALS(whole["ials"].config.model_copy(update=settings_of_ials))
            return {name: whole[name] for name in names or whole}

        return lineup

    pipeline.lineup_for = some  # type: ignore[assignment]


def steps(given: argparse.Namespace, conf: dict[str, str]) -> None:
    """Train, make lists of some users, and print when each step as it ends."""
    begun = time.perf_counter()
    progress = Steps(begun + 60 * given.minutes)
    own = {"n_factors": given.factors, "iterations": given.sweeps}
    only(given.models.split(",") if given.models else [], {name: value for name, value in own.items() if value})
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(data_dir=given.home or Path(home), offline=True, text_encoder="off", image_encoder="off")
        snapshot_id = train(
            settings,
            given.folder,
            master=given.master,
            spark_settings=conf,
            include_store=False,
            measure=given.measure,
            progress=progress,
        )
        manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
        progress("end", 1.0)
    progress.end(begun)
    size = f"{manifest.n_ratings:,} ratings, {manifest.n_users:,} users, {manifest.n_items:,} films"
    print(f"{size}; {len(progress.tree.ticks)} processes; load {os.getloadavg()}")
    for name, why in manifest.settings["skipped"].items():
        print(f"left out: {name}: {why}")


def lists(given: argparse.Namespace, conf: dict[str, str]) -> None:
    """Make lists of the users of the snapshot in service."""
    begun = time.perf_counter()
    progress = Steps()
    root = Settings(data_dir=Path(given.folder)).snapshots_dir
    progress("Starting Spark", 0.0)
    with spark_session(given.master, conf) as spark, tempfile.TemporaryDirectory() as home:
        snapshot_id = SnapshotRegistry(root).current()
        for name in given.models.split(","):
            progress(f"lists of {given.users:,} users: {name}", 0.0)
            lists_of(spark, root, snapshot_id, model=name, n=20, users=given.users).write.parquet(f"{home}/{name}")
        progress("end", 1.0)
    progress.end(begun)
    print(f"load {os.getloadavg()}")


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

    tree = Tree()

    def now() -> np.ndarray:
        return np.array([time.perf_counter(), sum(tree.used().values())])

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
    parser.add_argument("what", nargs="?", choices=("train", "lists", "als"), default="als")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).parents[2] / "shared" / "data" / "ml-1m"))
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--conf", action="append")
    parser.add_argument("--models", help="train these alone, of the line-up: popular,itemknn,ials")
    parser.add_argument("--measure", action="store_true", help="measure on held-out ratings, where they are few")
    parser.add_argument("--home", type=Path, help="folder that keeps the snapshot")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after these, models are left out")
    parser.add_argument("--users", type=int, default=20_000, help="of the lists")
    parser.add_argument("--factors", type=int, help="of iALS; als: 64 by default")
    parser.add_argument("--sweeps", type=int, help="of iALS; als: 6 by default")
    given = parser.parse_args()
    if given.what == "train":
        steps(given, parse_conf(given.conf))
    elif given.what == "lists":
        lists(given, parse_conf(given.conf))
    else:
        als(given.folder, given.master, parse_conf(given.conf), given.factors or 64, given.sweeps or 6)


if __name__ == "__main__":
    main()
