"""Vector indexes: recall@10 against queries a second, with and without filters; building, memory and files.

    python benchmarks/retrieval.py [--large] [--unclustered] [--items N --dim D] [--seed 0] [--only faiss hnsw]
    python benchmarks/retrieval.py --large --filters  # new and repeated filters beside FAISS alone (filters.py)

60,000 vectors of 128 values, or with `--large` 1,000,000 of 64, around centres; coordinates fall off as those of text
and image vectors do. Such clusters favour inverted lists (ivf). `--unclustered` draws one cloud instead, which is
nearer to MiniLM's vectors of film overviews: of 4,500 in 268 lists, 8 lists hold .62 of a text's ten nearest, .70 in
the cloud, .98 among the clusters.
Every index is built and saved in a process of its own; another tells its memory after loading it and answering all
queries (the library and the mapped pages count). Then all are loaded here and take turns, a few queries each, so that a
disturbance hits all. One thread. With `--processor-time`, searches are timed by what they ran, where others run too.
"effort" is nprobe (ivf), the length of the queue (hnsw) or search_k (annoy): the least that reaches a recall of .90,
.955 and .99 on queries that are not those reported; under a filter the middle one. "alone" is the library without
Matinee around it, which scores its candidates again and takes filters and changes; narrow filters it answers exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from matinee.indexes import ExactIndex, UpdatableIndex, available_kinds, build_index, load_index
from matinee.indexes.base import Mask, Vectors
from matinee.indexes.scoring import Rows, rescore

CLOCK = time.thread_time if "--processor-time" in sys.argv else time.perf_counter
K = 10
BATCH = 64
SPREAD = 0.7
TARGETS = (0.90, 0.955, 0.99)
MIDDLE = 1
SHARES = (1.0, 0.5, 0.01)
SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("exact", {}),
    "faiss flat": ("faiss", {"variant": "flat"}),
    "faiss ivf": ("faiss", {"variant": "ivf"}),
    "faiss ivf fp16": ("faiss", {"variant": "ivf", "codes": "float16"}),
    "faiss hnsw": ("faiss", {"variant": "hnsw"}),
    "hnsw (usearch)": ("hnsw", {}),
    "annoy": ("annoy", {"trees": 50}),
}
LARGE: dict[str, dict[str, Any]] = {
    "faiss hnsw": {"ef_construction": 64, "threads": 2},
    "hnsw (usearch)": {"ef_construction": 64, "threads": 2},
    "faiss ivf": {"threads": 2},
    "faiss ivf fp16": {"threads": 2},
    "annoy": {"trees": 25},
}
"""What differs for a million vectors, so that two cores build them within minutes."""
ANCHORS = """Known from elsewhere (another machine, recall ≥ .95, one thread), queries a second:
  60k × 128  ScaNN 23.0k, FAISS IVFFlat 11.1k (.98), hnswlib 7.6k, FAISS HNSW 6.6k, voyager 3.8k, Annoy 1.9k
             exact: FAISS Flat 1.6 ms, NumPy 4.1 ms a query (.25 and 1.3 ms in batches of 64)
  1M × 64    FAISS IVFFlat 6.3k (.98; 3.5k under a 10 % filter; builds in 21 s), hnswlib 3.0k, Annoy 0.6k (1 GB)"""


def n_clusters(n: int) -> int:
    return max(1, round(2.5 * n**0.5))


def draw(n: int, dim: int, clustered: bool, seed: int) -> Vectors:
    """Unit vectors; the i-th coordinate varies as i^−½, centres and clusters alike; sizes and widths vary too."""
    rng = np.random.default_rng(seed)
    scale = (1.0 + np.arange(dim, dtype=np.float32)) ** np.float32(-0.5)
    vectors = rng.standard_normal((n, dim), dtype=np.float32)
    if clustered:
        clusters = n_clusters(n)
        sizes = rng.lognormal(0, 1, clusters)
        widths = SPREAD * rng.lognormal(0, 0.3, clusters).astype(np.float32)
        label = rng.choice(clusters, n, p=sizes / sizes.sum())
        vectors *= widths[label, None]
        vectors += rng.standard_normal((clusters, dim), dtype=np.float32)[label]
    vectors *= scale
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def resident() -> float:
    return psutil.Process().memory_info().rss / 2**20


def one(name: str, config: dict[str, Any], folder: Path, seed: int) -> dict[str, float]:
    """Build, save, and in this same fresh process load and search; prints what it took."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    queries = np.load(folder / "queries.npy")
    items = np.arange(len(vectors))
    if not (folder / name).exists():
        start, ran = time.perf_counter(), time.process_time()
        index = build_index(SPECS[name][0], items, vectors, seed=seed, **config)
        built, ran = time.perf_counter() - start, time.process_time() - ran
        index.save(folder / name)
        return {
            "build": built,
            "ran": ran,
            "file": sum(path.stat().st_size for path in (folder / name).iterdir()) / 2**20,
        }
    ExactIndex(items, vectors).search(queries[:BATCH], K)  # all pages of the vectors, BLAS's buffers
    before = resident()
    start = time.perf_counter()
    index = load_index(folder / name, items=items, vectors=vectors)
    loaded = time.perf_counter() - start
    for query in queries:
        index.search(query[None], K)
    return {"load": loaded, "memory": resident() - before}


def process(name: str, config: dict[str, Any], folder: Path, seed: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, json.dumps(config), str(folder), "--seed", str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@dataclass
class Point:
    """One index with one effort under one filter, and what was measured of it."""

    name: str
    index: UpdatableIndex
    effort: int | None
    share: float
    mask: Mask | None
    truth: Rows
    recall: float = 0.0
    single: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


def recall(found: Rows, true: Rows) -> float:
    hits = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True))
    return hits / true.size


def variants(
    index: UpdatableIndex, vectors: Vectors, queries: Vectors, true: Rows
) -> list[tuple[int | None, UpdatableIndex]]:
    """The index with the least effort that reaches each of the targets on these queries, or the greatest."""
    approximate = index.approximate
    if approximate is None:
        return [(None, index)] * (MIDDLE + 1)
    chosen: list[tuple[int | None, UpdatableIndex]] = []
    tried, reached, effort = iter(approximate.efforts), -1.0, 0
    main = ExactIndex(np.arange(len(vectors)), vectors)
    for target in TARGETS:
        while reached < target and (following := next(tried, None)) is not None:
            effort = following
            rows, _ = rescore(vectors, queries, approximate.candidates(queries, K, effort), K)
            reached = recall(rows, true)
        chosen.append((effort, UpdatableIndex(main, approximate.with_effort(effort))))
    return chosen


def timed(call: Callable[..., object], *arguments: object) -> float:
    start = CLOCK()
    call(*arguments)
    return CLOCK() - start


def measure(points: list[Point], queries: Vectors, rounds: int) -> None:
    """All points in turns."""
    single = [np.ascontiguousarray(query[None]) for query in queries]
    for point in points:  # to warm up, and for the recall
        point.recall = recall(point.index.search(queries, K, point.mask).items, point.truth)
    share = len(queries) // rounds
    for turn in range(rounds):
        part = slice(turn * share, (turn + 1) * share)
        for point in points:
            search, own = point.index.search, point.index.approximate
            for query in single[part][:3]:  # what the one before has pushed out of the caches
                search(query, K, point.mask)
            point.single += [timed(search, query, K, point.mask) for query in single[part]]
            for start in range(part.start, part.stop - BATCH + 1, BATCH):
                point.batch.append(timed(search, queries[start : start + BATCH], K, point.mask) / BATCH)
            if own is not None and point.mask is None:
                point.alone += [timed(own.candidates, query, K, own.effort) for query in single[part]]


def limits(exact: UpdatableIndex, queries: Vectors, vectors: Vectors) -> None:
    """What the machine can do with so many bytes, and the exact search, in turns."""
    words, times = vectors.view(np.uint64), []
    for query in queries[:200]:
        read = min(timed(vectors.max), timed(np.bitwise_or.reduce, words, None))
        times.append((read, timed(np.matmul, vectors, query), timed(exact.search, query[None], K)))
    read, product, search = np.median(times, axis=0)
    rate = vectors.nbytes / read / 1e9
    print(f"\nreading all {vectors.nbytes >> 20:4} MiB once   {1000 * read:8.3f} ms   {rate:.1f} GB/s")
    print(f"bare matrix-vector product {1000 * product:8.3f} ms")
    print(f"exact search, top {K}       {1000 * search:8.3f} ms   {search / product:.2f} of the product (target ≤ 1.3)")


def report(points: list[Point]) -> None:
    print(
        f"\n{'index':<16}{'filter':>7}{'effort':>8}{'recall@10':>11}{'queries/s':>11}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'in 64s, /s':>12}{'alone, /s':>11}"
    )
    for point in points:
        p50, p99 = (1000 * float(np.percentile(point.single, q)) for q in (50, 99))
        alone = f"{1 / statistics.median(point.alone):,.0f}" if point.alone else ""
        shown = "none" if point.share == 1 else f"{point.share:.0%}"
        print(
            f"{point.name:<16}{shown:>7}{point.effort or '':>8}{point.recall:>11.3f}{1000 / p50:>11,.0f}{p50:>9.3f}"
            f"{p99:>9.3f}{1 / statistics.median(point.batch):>12,.0f}{alone:>11}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="1,000,000 × 64 instead of 60,000 × 128")
    parser.add_argument("--unclustered", action="store_true")
    parser.add_argument("--filters", action="store_true", help="only searches under filters, by lists and exactly")
    parser.add_argument("--items", type=int)
    parser.add_argument("--dim", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--only", nargs="*", choices=("faiss", "annoy", "hnsw"), default=list(available_kinds()))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, config, folder = options.one
        print(json.dumps(one(name, json.loads(config), Path(folder), options.seed)))
        return
    n = options.items or (1_000_000 if options.large else 60_000)
    dim = options.dim or (64 if options.large else 128)
    trials, asked, rounds = (256, 640, 5) if n > 200_000 else (512, 1600, 5)
    print(__doc__.split("\n\n", 1)[0])
    shape = "one cloud" if options.unclustered else f"{n_clusters(n):,} clusters (which favour ivf)"
    print(
        f"\n{n:,} × {dim}, {shape}, seed {options.seed}; {trials} queries to choose efforts, {asked} others to report; "
        f"one thread, {'processor' if options.processor_time else 'wall-clock'} time; load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; " + versions(),
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as temporary:
        folder = Path(temporary)
        drawn = draw(n + trials + asked, dim, not options.unclustered, options.seed)
        np.save(folder / "vectors.npy", drawn[trials + asked :])
        trial, queries = drawn[:trials].copy(), drawn[trials : trials + asked].copy()
        np.save(folder / "queries.npy", queries)
        del drawn
        vectors = np.load(folder / "vectors.npy", mmap_mode="r").view(np.ndarray)
        exact = build_index("exact", np.arange(n), vectors)
        if options.filters:
            from filters import filters  # needs FAISS

            ivf = build_index("faiss", np.arange(n), vectors, seed=options.seed, variant="ivf", threads=2)
            with threadpool_limits(1):
                filters([ivf, exact], vectors, trial, queries, options.seed)
            print(f"load average at the end {os.getloadavg()[0]:.1f}\n\n{ANCHORS}")
            return
        rng = np.random.default_rng(options.seed + 1)
        masks = {share: None if share == 1 else rng.random(n) < share for share in SHARES}
        truths = {share: exact.search(queries, K, mask).items for share, mask in masks.items()}
        true = exact.search(trial, K).items
        points: list[Point] = []
        print(f"\n{'index':<16}{'build s':>9}{'CPU s':>7}{'load s':>8}{'memory MB':>11}{'file MB':>9}   settings")
        for name, (kind, config) in SPECS.items():
            if kind not in ("exact", *options.only):
                continue
            config = config | (LARGE.get(name, {}) if n > 200_000 else {})
            took = process(name, config, folder, options.seed) | process(name, config, folder, options.seed)
            index = load_index(folder / name, items=np.arange(n), vectors=vectors)
            shown = [f"{key}={value}" for key, value in config.items()]
            if index.approximate is not None:
                shown.append(f"effort {index.approximate.effort} by itself")
            print(
                f"{name:<16}{took['build']:>9.1f}{took['ran']:>7.1f}{took['load']:>8.2f}{took['memory']:>11.0f}"
                f"{took['file']:>9.0f}   {', '.join(shown)}"
            )
            sys.stdout.flush()
            chosen = variants(index, vectors, trial, true)
            for share in SHARES:
                shown = chosen if share == 1 else chosen[MIDDLE : MIDDLE + 1]
                points += [
                    Point(name, variant, effort, share, masks[share], truths[share])
                    for effort, variant in {effort: (effort, variant) for effort, variant in shown}.values()
                ]
        with threadpool_limits(1):
            limits(exact, queries, vectors)
            measure(points, queries, rounds)
        report(points)
    print(f"load average at the end {os.getloadavg()[0]:.1f}\n\n{ANCHORS}")


def versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for library in ("numpy", "faiss-cpu", "usearch", "annoy"):
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


if __name__ == "__main__":
    main()
