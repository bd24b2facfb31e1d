"""Durable writes a second of each store, by 1 and by 8 threads of one process.

    python benchmarks/store_writes.py [sqlite postgres elasticsearch] [--seconds 5] [--rounds 3]

A write is one rating, as a PUT request makes it. The servers are those of the tests, PostgreSQL with the settings that
it has by default (its disk is synced at every commit). Printed is the median of the rounds, which take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from matinee.stores import Rating, Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from postgres_support import own_server
from store_support import FACTORIES, removed

THREADS = (1, 8)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres"], help=", ".join(FACTORIES))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        opened: dict[str, Store] = {}
        for name in options.stores:
            if name == "postgres":
                factory = stack.enter_context(own_server()).factory()
            else:
                factory = FACTORIES[name](Path(stack.enter_context(tempfile.TemporaryDirectory())))
                stack.callback(removed, factory)
            opened[name] = factory()
            stack.callback(opened[name].close)
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
