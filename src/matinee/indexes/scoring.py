"""Exact scoring of rows of a matrix. All similarities that an index returns are computed here.

A similarity is the single-precision BLAS dot product of a row and a query (`np.vecdot`). It depends only on these two,
not on other rows, the batch, the filter or the kind of index. So equal vectors have equal similarities, and
similarities of different indexes are comparable to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.accelerator.device import current_device
from matinee.indexes.base import BLOCK_VALUES, Found, Items, Mask, Vectors

Rows = NDArray[np.int64]
Similarities = NDArray[np.float32]

FEW_QUERIES = 8
"""From this number of queries on, one matrix product is faster than one pass over the rows per query."""
MAX_QUERIES = 256
"""Maximum number of queries in one matrix product. More are not faster and need more memory."""
FEW_ROWS = 0.25
"""Share of allowed rows below which gathering them is faster than scoring all rows."""
MAXIMA = 8
"""Block maxima per requested row, which bound the k-th similarity from below (as in `topk.top_n`)."""
MIN_STEP = 8
"""Minimum number of rows per block maximum. With fewer, sorting takes longer than it saves."""
MAX_PAIRS = 1 << 20
"""Maximum number of (row, query) pairs to score again. Beyond it (many equal vectors), queries run one by one."""


def nearest_rows(vectors: Vectors, queries: Vectors, k: int, mask: Mask | None = None) -> tuple[Rows, Similarities]:
    """The k most similar rows of each query, best first; ties go to the lower row.

    A GPU looks for candidates where the context has one (`accelerator.device`); the answer is the same to the last
    bit. Else this makes one pass over the rows per query or, for many queries, per 256 queries. Single queries run on
    one thread, matrix products on the threads of BLAS.

    Args:
        vectors: (n, dim) unit vectors.
        queries: (n_queries, dim) unit vectors.
        k: number of rows, 0..n.
        mask: (n,), allowed rows; None: all.

    Returns:
        Rows and similarities, (n_queries, k); −1 and NaN if fewer rows are allowed.
    """
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    count = len(vectors) if mask is None else int(np.count_nonzero(mask))
    n_best = min(k, count)
    if n_best == 0 or len(queries) == 0:
        return rows, similarities
    if len(queries) >= FEW_QUERIES and (device := current_device()):
        from matinee.accelerator.candidates import candidate_rows

        candidates = candidate_rows(vectors, queries, n_best, mask, _slack(vectors), device)
        if candidates is not None:
            rows[:, :n_best], similarities[:, :n_best] = rescore(vectors, queries, candidates, n_best)
            return rows, similarities
    chosen = penalty = None
    if mask is not None and count < len(vectors):
        if count < FEW_ROWS * len(vectors) or len(queries) >= FEW_QUERIES:
            chosen = np.flatnonzero(mask)
        else:
            # −4 is below every cosine, and adding 0 changes none. Faster than writing −inf where the mask is false.
            penalty = mask.astype(np.float32)
            penalty -= 1
            penalty *= 4
    step = count // (MAXIMA * n_best)
    batch = MAX_QUERIES if len(queries) >= FEW_QUERIES and step >= 2 else 1
    for start in range(0, len(queries), batch):
        part = slice(start, min(start + batch, len(queries)))
        result = _batched(vectors, queries[part], n_best, chosen, step) if batch > 1 else None
        if result is not None:
            rows[part, :n_best], similarities[part, :n_best] = result
            continue
        for i in range(part.start, part.stop):
            scores = similarities_of(vectors, queries[i], chosen)
            if penalty is not None:
                scores += penalty
            best = top_n(scores, n_best)
            rows[i, :n_best] = best if chosen is None else chosen[best]
            similarities[i, :n_best] = scores[best]
    return rows, np.clip(similarities, -1, 1, out=similarities)


def rescore(vectors: Vectors, queries: Vectors, candidates: Rows, k: int) -> tuple[Rows, Similarities]:
    """The k best of each query's candidates, by exact similarity; ties go to the lower row.

    Args:
        vectors: (n, dim) unit vectors.
        queries: (n_queries, dim) unit vectors.
        candidates: (n_queries, m) distinct rows, padded with −1.
        k: number of rows.

    Returns:
        Rows and similarities, (n_queries, ≤ k), as wide as there were candidates; padded with −1 and NaN for queries
        that had fewer.
    """
    if len(queries) == 1:  # fast path: the general code takes longer than the search itself
        only = candidates[0]
        if bool((only < 0).any()):
            only = only[only >= 0]
        scores = np.vecdot(vectors.take(only, axis=0), queries[0])
        np.minimum(np.maximum(scores, -1, out=scores), 1, out=scores)
        order = np.lexsort((only, -scores))[:k]
        return only[order][None], scores[order][None]
    similarities = np.empty(candidates.shape, dtype=np.float32)
    batch = max(1, BLOCK_VALUES // max(1, candidates.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), batch):
        part = slice(start, start + batch)
        # Row −1 is the last row. Its similarity is overwritten below.
        np.vecdot(vectors.take(candidates[part], axis=0), queries[part, None], out=similarities[part])
    np.clip(similarities, -1, 1, out=similarities)
    absent = candidates < 0
    any_absent = bool(absent.any())
    if any_absent:
        similarities[absent] = -np.inf
    order = np.lexsort((candidates, -similarities), axis=-1)[:, :k]
    rows = np.take_along_axis(candidates, order, axis=1)
    similarities = np.take_along_axis(similarities, order, axis=1)
    if any_absent:
        similarities[rows < 0] = np.nan
    return rows, similarities


def ranked(items: Items, vectors: Vectors, queries: Vectors, candidates: Items, width: int) -> Found:
    """The best of each query's candidates, which a server found, by exact similarity.

    Args:
        items: (n,), increasing.
        vectors: (n, dim), theirs.
        queries: (n_queries, dim) unit vectors.
        candidates: (n_queries, m) distinct ones of the items, padded with −1.
        width: number of items found for a query, padded.
    """
    found = nothing_found(len(queries), width)
    if len(items):
        rows = np.where(candidates < 0, -1, np.searchsorted(items, candidates))
        rows, scores = rescore(vectors, queries, rows, width)
        found.items[:, : rows.shape[1]] = np.where(rows < 0, -1, items[rows])
        found.similarities[:, : rows.shape[1]] = scores
    return found


def nothing_found(n_queries: int, width: int) -> Found:
    """A result that is padding only."""
    shape = n_queries, width
    return Found(np.full(shape, -1, dtype=np.int64), np.full(shape, np.nan, dtype=np.float32))


def similarities_of(vectors: Vectors, query: Vectors, chosen: Rows | None) -> Similarities:
    """Similarities of all rows or of the chosen ones, in their order."""
    scores = np.empty(len(vectors) if chosen is None else len(chosen), dtype=np.float32)
    if chosen is None:
        np.vecdot(vectors, query, out=scores)
        return scores
    size = max(1, BLOCK_VALUES // vectors.shape[1])
    for start in range(0, len(chosen), size):
        part = slice(start, start + size)
        np.vecdot(vectors.take(chosen[part], axis=0), query, out=scores[part])
    return scores


def _slack(vectors: Vectors) -> float:
    """Twice the error bound n·u of a dot product of unit vectors, for each of the two that are compared."""
    return float(4 * vectors.shape[1] * 2.0**-24)


def _batched(
    vectors: Vectors, queries: Vectors, k: int, chosen: Rows | None, step: int
) -> tuple[Rows, Similarities] | None:
    """Like `nearest_rows`, with matrix products; None if too many rows are equally near.

    The last bits of a product depend on the block, so it is only used to select candidates: rows within its error of
    the k-th best are scored again one by one. The k-th best is bounded from below, block by block, by the k-th highest
    of the maxima of `step` rows each.
    """
    n = len(vectors) if chosen is None else len(chosen)
    rows = max(1, BLOCK_VALUES // vectors.shape[1])
    step = min(step, max(MIN_STEP, rows // (2 * k)))  # so that the first block already gives a bound
    size = max(1, rows // step) * step
    slack = np.float32(_slack(vectors))
    transposed = np.ascontiguousarray(queries.T)
    maxima = np.empty((0, len(queries)), dtype=np.float32)
    floor = np.full(len(queries), -np.inf, dtype=np.float32)
    candidates: list[tuple[Rows, Rows, Similarities]] = []
    bounded, pairs = False, 0
    for start in range(0, n, size):
        picked = None if chosen is None else chosen[start : start + size]
        scores = (vectors[start : start + size] if picked is None else vectors.take(picked, axis=0)) @ transposed
        whole = len(scores) // step * step
        maxima = np.concatenate([maxima, scores[:whole].reshape(-1, step, len(queries)).max(axis=1)])
        # Not after every block, because it takes as long as the maxima themselves.
        if len(maxima) >= (k if not bounded or start + size >= n else 4 * k):
            maxima = np.partition(maxima, len(maxima) - k, axis=0)[len(maxima) - k :]
            floor, bounded = maxima[0] - slack, True
        flat = np.flatnonzero(scores >= floor)
        row, query = np.divmod(flat, len(queries))
        candidates.append((row + start if picked is None else picked[row], query, scores.ravel()[flat]))
        pairs += len(flat)
        if pairs > MAX_PAIRS:
            return None
    row, query, rough = (np.concatenate(parts) for parts in zip(*candidates, strict=True))
    near = rough >= floor[query]
    row, query = row[near], query[near]
    exact = np.empty(len(row), dtype=np.float32)
    size = max(1, BLOCK_VALUES // vectors.shape[1])
    for start in range(0, len(row), size):
        part = slice(start, start + size)
        np.vecdot(vectors.take(row[part], axis=0), queries[query[part]], out=exact[part])
    order = np.lexsort((row, -exact, query))
    first = np.searchsorted(query[order], np.arange(len(queries)))
    best = order[first[:, None] + np.arange(k)]
    return row[best], exact[best]
