"""What a server reads of its store at the start: processor seconds and memory of `Engine.open`.

    python benchmarks/start.py [--ratings 1e6] [--after 10000] [--folder FOLDER]

A SQLite store gets so many ratings of new users (as `store_writes.py --bulk`), a snapshot is made of them (with the
chart alone for a model: what is measured is the store), and `--after` more are written. Then processes open the engine,
in turn: one that knows the snapshot's mark, and one that does not and so reads the whole store, as all starts did
before. Printed are processor seconds and peak memory of opening, of the first statistics over all ratings, and of the
histories of a thousand users. With `--folder` the store is kept and found again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import polars as pl

from matinee.data.catalog import Catalog
from matinee.data.dataset import CleaningReport, Dataset
from matinee.data.ratings import Ratings
from matinee.engine import Engine
from matinee.models import Popularity
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry, write_snapshot
from matinee.stores import SqliteStore
from matinee.training.stored_changes import with_stored
from store_writes import FILMS, parts

MOVIES = 60_000


def peak() -> float:
    """Largest resident memory of this process so far, MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def make(settings: Settings, count: int, after: int) -> None:
    """The store and a snapshot of it."""
    catalog = Catalog(pl.DataFrame({"movie_id": [str(n) for n in range(MOVIES)], "title": "A film"}))
    row = {"user_id": ["one"], "movie_id": ["0"], "rating": [3.0], "timestamp": [10**9]}
    dataset = Dataset("start", catalog, Ratings.from_frame(pl.DataFrame(row), catalog), CleaningReport(source="start"))
    store = SqliteStore(settings.store_path(dataset.name))
    for part in parts(0, count, shuffled=False):
        store.put_ratings(part)
    begun = time.process_time()
    merged, learned = with_stored(dataset, settings)
    used, most = time.process_time() - begun, peak()
    made = write_snapshot(
        settings.snapshots_dir,
        merged,
        {"popular": Popularity().fit(merged)},
        default_model="popular",
        watermark=learned.seq,
        mark=learned.mark,
        left_out=learned.left_out,
    )
    SnapshotRegistry(settings.snapshots_dir).promote(made)
    for part in parts(count // FILMS, after, shuffled=False):
        store.put_ratings(part)
    store.close()
    size = settings.store_path(dataset.name).stat().st_size
    print(
        f"{count:,} ratings stored, {size / max(count, 1):.0f} bytes each with the log; read for a training in "
        f"{used:.1f} s of processors, peak {most:,.0f} MiB"
    )


def opened(home: Path, whole: bool) -> None:
    """What one start takes, as JSON."""
    if whole:
        SqliteStore.since_mark = lambda *_: None  # type: ignore[method-assign]
    settings = Settings(data_dir=home, verify_on_load="size", default_model="popular")
    told: dict[str, float] = {}

    def measured(what: str, work: Callable[[], object]) -> None:
        begun, clock = time.process_time(), time.perf_counter()
        work()
        told[what] = time.process_time() - begun
        told[f"{what}, clock"] = time.perf_counter() - clock
        told[f"{what}, MiB"] = peak()

    measured("imports", lambda: np.ones(1))
    engines: list[Engine] = []
    measured("open", lambda: engines.append(Engine.open(settings)))
    engine = engines[0]
    view = engine.request_view()
    users = view.snapshot.ratings.user_ids
    chosen = [str(users[row]) for row in Random(0).sample(range(len(users)), min(1000, len(users)))]
    measured("histories", lambda: [view.history(user) for user in chosen])
    measured("statistics", lambda: engine.users(limit=1))
    print(json.dumps(told | {"ratings": int(view.stats.counts.sum()), "users": len(users)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=float, default=1e6)
    parser.add_argument("--after", type=float, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--open", choices=["marked", "whole"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        opened(options.folder, options.open == "whole")
        return
    with tempfile.TemporaryDirectory() as temporary:
        home = options.folder or Path(temporary)
        settings = Settings(data_dir=home)
        if SnapshotRegistry(settings.snapshots_dir).current() is None:
            make(settings, int(options.ratings), int(options.after))
        print(f"load {os.getloadavg()[0]:.1f}")
        for how in ("marked", "whole"):
            command = [sys.executable, __file__, "--folder", str(home), "--open", how]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{how}: open {told['open']:.2f} s of processors ({told['open, clock']:.2f} s by the clock), peak "
                f"{told['open, MiB']:,.0f} MiB (before {told['imports, MiB']:,.0f}); 1,000 histories "
                f"{told['histories']:.2f} s; first statistics {told['statistics']:.2f} s, then peak "
                f"{told['statistics, MiB']:,.0f} MiB; {told['ratings']:,} ratings counted"
            )


if __name__ == "__main__":
    main()
