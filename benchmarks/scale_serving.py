"""A server over a snapshot of any size: start, memory, lists a second with p50 and p99, ratings written while serving.

    python benchmarks/scale_serving.py HOME [--seconds 10] [--batch 100] [--rate 2000] [--workers 2]

HOME is the folder of data (`MATINEE_DATA_DIR`) of a training, for instance of `scale.py train FOLDER --home HOME`. One
worker, ready answers turned off: every list is scored, ranked and rendered. Latencies are those of an open loop at half
of the rate of a closed one, as in `serving.py`. Ratings are written by four connections, `--batch` of one user at a
time, first alone, then while lists are asked for at that half rate, as fast as they are stored and at `--rate`; each is
durable when it is answered. At the end
several workers are started (`--workers`; 1: none); the time of their first list, and what memory each has for itself
after lists, are printed, and that of the process that they are forked from where there is one (it has children). The
package is compiled to bytecode before, as an installed one is.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import http.client
import json
import os
import threading
import time
from pathlib import Path
from random import Random

import httpx
import uvloop

import matinee as package
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from serving import PATH, Load, Server, matinee

ASKED, WRITERS = 2000, 4


def sample(home: Path) -> tuple[list[str], list[str], str]:
    """Random users and films of the snapshot in service, and its size in words."""
    registry = SnapshotRegistry(Settings(data_dir=home).snapshots_dir)
    snapshot = Snapshot.load(registry.root, str(registry.current()), "size")
    ratings, random = snapshot.dataset.ratings, Random(0)
    users = [str(ratings.user_ids[row]) for row in random.sample(range(ratings.n_users), min(ASKED, ratings.n_users))]
    movies = snapshot.dataset.catalog.ids(random.sample(range(len(snapshot.dataset.catalog)), 500))
    return (
        users,
        movies,
        f"{len(ratings):,} ratings, {ratings.n_users:,} users, {len(snapshot.dataset.catalog):,} films",
    )


def memory(pid: int) -> str:
    """Resident memory, and what of it is no file's (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
    return (
        f"resident {sizes['Rss']:,.0f} MiB (shares counted in part: {sizes['Pss']:,.0f}), "
        f"of which private {sizes['Private_Dirty']:,.0f} MiB"
    )


def children(pid: int) -> list[int]:
    """Processes that a process has started, and those that these have (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if parent == pid:
            found += [int(folder.name), *children(int(folder.name))]
    return found


def several(home: Path, users: list[str], workers: int) -> None:
    """Start several workers, ask for lists, and print the memory of each."""
    begun = time.perf_counter()
    with matinee(home, 0, workers) as server:
        first_list(server, users[0])
        seconds = time.perf_counter() - begun
        for user in users[:400]:  # a connection each, so that all workers get some
            httpx.get(f"http://127.0.0.1:{server.port}{PATH.format(user)}", timeout=60).raise_for_status()
        large = [pid for pid in children(server.process.pid) if "multiprocessing.resource" not in command(pid)]
        found = "; ".join(f"{memory(pid)}{' (forks)' if children(pid) else ''}" for pid in large)
        used = sum(processors(pid) for pid in (server.process.pid, *large))
        print(
            f"{workers} workers: first list after {seconds:.1f} s; {used:.1f} s of processors with 401 lists; {found}; "
            f"load {os.getloadavg()[0]:.1f}"
        )


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def first_list(server: Server, user: str) -> None:
    """Ask until a list is answered."""
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{server.port}{PATH.format(user)}", timeout=60).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.05)


def processors(pid: int) -> float:
    """Seconds of processors that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(
    port: int,
    users: list[str],
    movies: list[str],
    batch: int,
    rate: float,
    stop: threading.Event,
    place: int,
    counts: list[int],
) -> None:
    """Write ratings on one connection until told to stop: so many a second, 0: as fast as they are stored."""
    connection, random = http.client.HTTPConnection("127.0.0.1", port, timeout=60), Random(place)
    start = time.perf_counter()
    while not stop.is_set():
        if rate:
            time.sleep(max(start + counts[place] / rate - time.perf_counter(), 0))
        user = random.choice(users)
        rows = [{"user_id": user, "movie_id": movie, "rating": 4.0} for movie in random.sample(movies, batch)]
        connection.request("POST", "/v1/ratings", json.dumps(rows), {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"not written: {text[:300]!r}")
        counts[place] += batch


class Writers:
    """Connections that write while the block runs, `rate` ratings a second (0: as fast as they are stored)."""

    def __init__(self, port: int, users: list[str], movies: list[str], batch: int, rate: float = 0) -> None:
        self.stop, self.counts = threading.Event(), [0] * WRITERS
        given = port, users, movies, batch, rate / WRITERS, self.stop
        self.threads = [threading.Thread(target=write, args=(*given, n, self.counts)) for n in range(WRITERS)]

    def __enter__(self) -> Writers:
        self.begun = time.perf_counter()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.rate = sum(self.counts) / (time.perf_counter() - self.begun)


def shown(latencies: list[float]) -> str:
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


async def measure(server: Server, users: list[str], movies: list[str], options: argparse.Namespace) -> None:
    load = Load(server.port, users, 8)
    await load.open()
    await load.fastest(options.seconds / 2)
    used = processors(server.process.pid)
    rate = await load.fastest(options.seconds)
    each = (processors(server.process.pid) - used) / load.count
    found = await load.paced(rate / 2, options.seconds)
    print(
        f"lists: {rate:,.0f} a second, {1000 * each:.1f} ms of processors each; at {rate / 2:,.0f} a second "
        f"{shown(found)}; {memory(server.process.pid)}"
    )
    with Writers(server.port, users, movies, options.batch) as alone:
        await asyncio.sleep(options.seconds)
    print(f"ratings written: {alone.rate:,.0f} a second alone")
    for wanted in (0, options.rate):
        with Writers(server.port, users, movies, options.batch, wanted) as beside:
            found = await load.paced(rate / 2, options.seconds)
        print(
            f"ratings written: {beside.rate:,.0f} a second beside lists at {rate / 2:,.0f} a second, those "
            f"{shown(found)}; {memory(server.process.pid)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    compileall.compile_dir(Path(package.__file__).parent, quiet=1)
    users, movies, size = sample(options.home)
    for start in ("first", "second"):
        begun = time.perf_counter()
        with matinee(options.home, 0) as server:
            listening = time.perf_counter() - begun
            first_list(server, users[0])
            seconds, used = time.perf_counter() - begun, memory(server.process.pid)
            print(
                f"{size}; {start} start: listening after {listening:.1f} s, first list after {seconds:.1f} s "
                f"({processors(server.process.pid):.1f} s of processors); {used}; load {os.getloadavg()[0]:.1f}"
            )
            if start == "second":
                uvloop.run(measure(server, users, movies, options))
    if options.workers > 1:
        several(options.home, users, options.workers)


if __name__ == "__main__":
    main()
