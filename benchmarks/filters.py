"""Searches under filters: one that is new to the index, one that is asked for again, and FAISS alone beside them.

`retrieval.py --filters` calls this. Every row takes turns of a few queries. "new" is a filter whose rows are not
gathered, as in the first searches under it; "again" one whose rows are, given as an array of its own each time;
"again, frozen" the same object of `frozen_mask`; "again, less 1" a filter that lacks another row in each query, as that
of the movies like one movie; "FAISS" an IndexIVFFlat with `IDSelectorBitmap`, the bits made before. "gather" is what
the search that gathers the rows takes, once. Efforts are chosen on other queries and another filter of 10 %.
"""

from __future__ import annotations

import statistics
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import faiss
import numpy as np

from matinee.indexes import UpdatableIndex
from matinee.indexes.base import Mask, Vectors, frozen_mask
from matinee.indexes.filter_cache import FilterCache
from matinee.indexes.scoring import Rows, nearest_rows

K = 10
BATCH = 64
TARGET, SPARE = 0.98, 0.006
"""Recall that is aimed at, and what is asked for beyond it on the queries that choose efforts."""
SHARES = (0.01, 0.1, 0.3, 0.6)
CHOOSING = 0.1
TURNS = 10
GRID = tuple(sorted({round(1.1**i) for i in range(8, 75)}))
Search = Callable[[Vectors], Rows]


@dataclass
class Row:
    """One way to search under one filter, and what was measured of it."""

    share: float
    name: str
    search: Search
    truth: Rows
    asked: int
    note: str = ""
    recall: float = 0.0
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)


def recall(found: Rows, true: Rows) -> float:
    hits = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True))
    return hits / true.size


def least(reached: Callable[[int], float]) -> int:
    """The least effort of the grid that reaches the target, or the greatest."""
    index = bisect_left(GRID, True, key=lambda effort: reached(effort) >= TARGET + SPARE)
    return GRID[min(index, len(GRID) - 1)]


def alone(index: Any, mask: Mask, effort: int) -> Search:
    selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    parameters = faiss.SearchParametersIVF(nprobe=effort, sel=selector)
    return lambda queries: index.search(queries, K, params=parameters)[1]


def ours(index: UpdatableIndex, mask: Mask) -> Search:
    return lambda queries: index.search(queries, K, mask).items


def without_one(index: UpdatableIndex, mask: Mask) -> Search:
    rng = np.random.default_rng(0)
    allowed = np.flatnonzero(mask)

    def search(queries: Vectors) -> Rows:
        row = rng.choice(allowed)
        mask[row] = False
        found = index.search(queries, K, mask).items
        mask[row] = True
        return found

    return search


def gathered(index: UpdatableIndex, cache: FilterCache, queries: Vectors, mask: Mask) -> str:
    """Ask until the rows are gathered; says what that took."""
    for start in range(2000):
        before = time.thread_time()
        index.search(queries[start % len(queries)][None], K, mask)
        took = time.thread_time() - before
        if len(cache):
            return f"gather {1000 * took:.0f} ms in query {start + 1}, {cache.nbytes / 2**20:.0f} MiB"
    return "not gathered"


def rows_of(
    index: UpdatableIndex, inner: Any, vectors: Vectors, trial: Vectors, queries: Vectors, seed: int
) -> list[Row]:
    rows = []
    few = queries[:100]
    base = index
    if index.approximate is not None:
        mask = np.random.default_rng(seed + 100).random(len(vectors)) < CHOOSING
        true = nearest_rows(vectors, trial, K, mask)[0]

        def reached(effort: int) -> float:
            return recall(ours(fresh(index.with_effort(effort), 0)[0], mask)(trial), true)

        base = index.with_effort(least(reached))
    for share in SHARES:
        mask = np.random.default_rng(seed + 1).random(len(vectors)) < share
        if base.approximate is None and share > CHOOSING:
            continue
        asked = len(queries) if base.approximate is not None else len(few)
        truth = nearest_rows(vectors, queries, K, mask)[0][:asked]
        kind = "ivf" if base.approximate is not None else "exact"
        if base.approximate is not None:
            other = np.random.default_rng(seed + 100).random(len(vectors)) < share
            true = nearest_rows(vectors, trial, K, other)[0]
            effort = least(lambda effort, other=other, true=true: recall(alone(inner, other, effort)(trial), true))
            rows.append(Row(share, "FAISS", alone(inner, mask, effort), truth, asked, f"nprobe {effort}"))
        new, _ = fresh(base, 0)
        again, cache = fresh(base, 1 << 27)
        note = gathered(again, cache, queries, mask)
        effort = "" if base.approximate is None else f"effort {base.approximate.effort}"
        rows.append(Row(share, f"{kind}, new", ours(new, mask), truth, asked, effort))
        rows.append(Row(share, f"{kind}, again", ours(again, mask), truth, asked, note))
        rows.append(Row(share, f"{kind}, again, frozen", ours(again, frozen_mask(mask)), truth, asked))
        rows.append(Row(share, f"{kind}, again, less 1", without_one(again, mask.copy()), truth, asked))
    return rows


def fresh(index: UpdatableIndex, max_bytes: int) -> tuple[UpdatableIndex, FilterCache]:
    cache = FilterCache(max_bytes)
    return UpdatableIndex(index.main, index.approximate, filters=cache), cache


def measure(rows: list[Row], queries: Vectors) -> None:
    single = [np.ascontiguousarray(query[None]) for query in queries]
    for row in rows:
        row.recall = recall(np.concatenate([row.search(query) for query in single[: row.asked]]), row.truth)
    for turn in range(TURNS):
        for row in rows:
            size = row.asked // TURNS
            part = single[turn * size : (turn + 1) * size]
            for query in part[:3]:  # what the one before has pushed out of the caches
                row.search(query)
            for query in part:
                clock, processor = time.perf_counter(), time.thread_time()
                row.search(query)
                row.processor.append(time.thread_time() - processor)
                row.clock.append(time.perf_counter() - clock)
            start = turn * BATCH % max(1, len(queries) - BATCH)
            processor = time.thread_time()
            row.search(queries[start : start + BATCH])
            row.batch.append((time.thread_time() - processor) / BATCH)


def report(rows: list[Row]) -> None:
    print(
        f"\n{'filter':>7} {'':<20}{'recall@10':>10}{'queries/s':>11}{'by clock':>10}{'p99 ms':>8}{'in 64s, /s':>12}"
        "   (queries/s: processor time, median)"
    )
    for row in rows:
        processor, clock, batch = (statistics.median(times) for times in (row.processor, row.clock, row.batch))
        print(
            f"{row.share:>7.0%} {row.name:<20}{row.recall:>10.4f}{1 / processor:>11,.0f}{1 / clock:>10,.0f}"
            f"{1000 * float(np.percentile(row.processor, 99)):>8.2f}{1 / batch:>12,.0f}   {row.note}"
        )


def filters(indexes: list[UpdatableIndex], vectors: Vectors, trial: Vectors, queries: Vectors, seed: int) -> None:
    """Measure and print; indexes are exact or inverted lists, over these vectors."""
    rows = []
    for index in indexes:
        inner = None if index.approximate is None else index.approximate._index
        rows += rows_of(index, inner, vectors, trial, queries, seed)
    measure(rows, queries)
    report(rows)
