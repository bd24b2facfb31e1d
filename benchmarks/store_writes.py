"""Durable writes a second of each store, by 1 and by 8 threads of one process.

    python benchmarks/store_writes.py [sqlite postgres elasticsearch] [--seconds 5] [--rounds 3]
    python benchmarks/store_writes.py sqlite --bulk 1e6 [--held 25e6] [--shuffled]

A write is one rating, as a PUT request makes it. The servers are those of the tests, PostgreSQL with the settings that
it has by default (its disk is synced at every commit). Printed is the median of the rounds, which take turns.

`--bulk N` stores N ratings of new users as an import does (columns, 20,000 a commit, sorted as `matinee import ratings`
sorts them, each commit durable), into a store that holds `--held` ratings before, which are stored in the same way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from matinee.stores import Rating, RatingColumns, Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from postgres_support import own_server
from store_support import FACTORIES, Factory, removed

THREADS = (1, 8)
FILMS, BATCH, BLOCK = 100, 20_000, 1_000_000
"""Ratings of a user, of a commit, and of what is sorted at a time."""


def rate(store: Store, threads: int, seconds: float) -> float:
    """Writes a second."""
    end = time.monotonic() + seconds

    def write(worker: int) -> int:
        n = 0
        while time.monotonic() < end:
            store.put_ratings([Rating(f"u{worker}", f"m{n % 500}", 1.0 + n % 5, n)])
            n += 1
        return n

    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(write, range(threads)))
    return count / (time.monotonic() - start)


def parts(first: int, count: int, shuffled: bool) -> Iterator[RatingColumns]:
    """Ratings of users of 100 films each, numbered from `first` on, as an import stores them."""
    random = np.random.default_rng(first)
    for block in range(0, count, BLOCK):
        n = min(BLOCK, count - block) // FILMS
        # Numbers are filled up, so that blocks follow one another in the order of texts.
        users = np.repeat([f"{first + block // FILMS + user:08}" for user in range(n)], FILMS)
        movies = (np.arange(FILMS) * 600 + random.integers(0, 600, (n, FILMS))).ravel().astype(str)
        order = random.permutation(n * FILMS) if shuffled else np.lexsort((movies, users))
        stars, times = random.integers(1, 6, n * FILMS).astype(np.float32), random.integers(10**9, 2 * 10**9, n * FILMS)
        for start in range(0, n * FILMS, BATCH):
            chosen = order[start : start + BATCH]
            yield RatingColumns(users[chosen].tolist(), movies[chosen].tolist(), stars[chosen], times[chosen])


def bulk(name: str, factory: Factory, count: int, held: int, shuffled: bool) -> None:
    """Print ratings a second by the clock and by processor seconds of this process."""
    store = factory()
    try:
        for part in parts(0, held, shuffled):
            store.put_ratings(part)
        clock = used = 0.0
        for part in parts(held // FILMS, count, shuffled):
            begun, before = time.perf_counter(), time.process_time()
            store.put_ratings(part)
            clock, used = clock + time.perf_counter() - begun, used + time.process_time() - before
    finally:
        store.close()
    print(
        f"{name}: {count:,} ratings into {held:,}{', in any order' if shuffled else ''}: {count / clock:,.0f} a second "
        f"by the clock, {count / used:,.0f} a processor second; load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres"], help=", ".join(FACTORIES))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bulk", type=float, help="ratings to store as an import does")
    parser.add_argument("--held", type=float, default=0.0, help="ratings that the store holds before")
    parser.add_argument("--shuffled", action="store_true", help="not sorted by user and film")
    options = parser.parse_args()
    with ExitStack() as stack:
        opened: dict[str, Store] = {}
        for name in options.stores:
            factory: Factory
            if name == "postgres":
                factory = stack.enter_context(own_server()).factory()
            else:
                factory = FACTORIES[name](Path(stack.enter_context(tempfile.TemporaryDirectory())))
                stack.callback(removed, factory)
            if options.bulk:
                bulk(name, factory, int(options.bulk), int(options.held), options.shuffled)
                continue
            opened[name] = factory()
            stack.callback(opened[name].close)
        if options.bulk:
            return
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):
            for name, store in opened.items():
                for threads in THREADS:
                    rates.setdefault((name, threads), []).append(rate(store, threads, options.seconds))
    print(f"{'store':15}" + "".join(f"{f'{threads} threads':>12}" for threads in THREADS))
    for name in options.stores:
        print(f"{name:15}" + "".join(f"{statistics.median(rates[name, threads]):12.0f}" for threads in THREADS))


if __name__ == "__main__":
    main()
