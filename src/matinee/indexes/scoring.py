"""Exact scoring of rows of a matrix: every similarity that leaves an index is made here.

A similarity is the single-precision BLAS dot product of a row and a query (`np.vecdot`), which depends on nothing
but the two of them: not on the rows beside, the batch, the filter or the kind of index. So equal vectors have equal
similarities, and those of different indexes can be compared to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.indexes.base import BLOCK_VALUES, Mask, Vectors

Rows = NDArray[np.int64]
Similarities = NDArray[np.float32]

FEW_QUERIES = 8
"""From so many queries on, one matrix product for all is faster than a pass over the rows for each."""
MAX_QUERIES = 256
"""Queries in one matrix product: more gain nothing and need memory."""
FEW_ROWS = 0.25
"""Share of rows below which fetching the allowed ones is faster than scoring all."""
MAXIMA = 8
"""Maxima taken for each wanted row, which bound its similarity from below (as in `ranking.top_n`)."""
MIN_STEP = 8
"""Rows to a maximum, at least: fewer take longer to sort than they save."""
MAX_PAIRS = 1 << 20
"""Pairs of a row and a query that are looked at again; beyond (masses of equal vectors), queries go one by one."""


def nearest_rows(vectors: Vectors, queries: Vectors, k: int, mask: Mask | None = None) -> tuple[Rows, Similarities]:
    """The k most similar rows of each query, best first; ties go to the lower row.

    One pass over the rows for each query or, for many queries, for each 256 of them. The passes for single queries run
    on one thread, the matrix products on as many as BLAS may use.

    Args:
        vectors: (n, dim) unit vectors.
        queries: (n_queries, dim) unit vectors.
        k: rows wanted, 0..n.
        mask: (n,), rows that may be found; None: all.

    Returns:
        Rows and similarities, (n_queries, k); −1 and NaN where fewer rows are allowed.
    """
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    count = len(vectors) if mask is None else int(np.count_nonzero(mask))
    wanted = min(k, count)
    if wanted == 0 or len(queries) == 0:
        return rows, similarities
    chosen = penalty = None
    if mask is not None and count < len(vectors):
        if count < FEW_ROWS * len(vectors) or len(queries) >= FEW_QUERIES:
            chosen = np.flatnonzero(mask)
        else:
            # −4 lies below every cosine, and adding 0 changes none; faster than writing −inf where the mask is false.
            penalty = mask.astype(np.float32)
            penalty -= 1
            penalty *= 4
    step = count // (MAXIMA * wanted)
    together = MAX_QUERIES if len(queries) >= FEW_QUERIES and step >= 2 else 1
    for start in range(0, len(queries), together):
        part = slice(start, min(start + together, len(queries)))
        found = _together(vectors, queries[part], wanted, chosen, step) if together > 1 else None
        if found is not None:
            rows[part, :wanted], similarities[part, :wanted] = found
            continue
        for i in range(part.start, part.stop):
            scores = _scores(vectors, queries[i], chosen)
            if penalty is not None:
                scores += penalty
            best = top_n(scores, wanted)
            rows[i, :wanted] = best if chosen is None else chosen[best]
            similarities[i, :wanted] = scores[best]
    return rows, np.clip(similarities, -1, 1, out=similarities)


def rescore(vectors: Vectors, queries: Vectors, candidates: Rows, k: int) -> tuple[Rows, Similarities]:
    """The k best of each query's candidates, by exact similarity; ties go to the lower row.

    Args:
        vectors: (n, dim) unit vectors.
        queries: (n_queries, dim) unit vectors.
        candidates: (n_queries, m) distinct rows; −1 is none.
        k: rows wanted.

    Returns:
        Rows and similarities, (n_queries, ≤ k), as wide as there were candidates; −1 and NaN for queries that had fewer
        than others.
    """
    if len(queries) == 1:  # without the many-dimensional detours, which take longer than the search itself
        only = candidates[0]
        if bool((only < 0).any()):
            only = only[only >= 0]
        scores = np.vecdot(vectors.take(only, axis=0), queries[0])
        np.minimum(np.maximum(scores, -1, out=scores), 1, out=scores)
        order = np.lexsort((only, -scores))[:k]
        return only[order][None], scores[order][None]
    similarities = np.empty(candidates.shape, dtype=np.float32)
    together = max(1, BLOCK_VALUES // max(1, candidates.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), together):
        part = slice(start, start + together)
        # Row −1 is the last: a harmless one, put right below.
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


def _scores(vectors: Vectors, query: Vectors, chosen: Rows | None) -> Similarities:
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


def _together(
    vectors: Vectors, queries: Vectors, k: int, chosen: Rows | None, step: int
) -> tuple[Rows, Similarities] | None:
    """As `nearest_rows`, by matrix products; None where too many rows are equally near.

    A product's last bits depend on the block, so it only selects: rows that come within its error of the k-th best
    are scored again one by one. The k-th best is bounded from below, block by block, by the k-th highest of the
    maxima of `step` rows each, or fewer.
    """
    n = len(vectors) if chosen is None else len(chosen)
    rows = max(1, BLOCK_VALUES // vectors.shape[1])
    step = min(step, max(MIN_STEP, rows // (2 * k)))  # so that the first block already bounds the k-th best
    size = max(1, rows // step) * step
    # Twice the error bound n·u of a dot product of unit vectors, for either of the two that are compared.
    slack = np.float32(4 * vectors.shape[1] * 2.0**-24)
    turned = np.ascontiguousarray(queries.T)
    maxima = np.empty((0, len(queries)), dtype=np.float32)
    floor = np.full(len(queries), -np.inf, dtype=np.float32)
    found: list[tuple[Rows, Rows, Similarities]] = []
    bounded, pairs = False, 0
    for start in range(0, n, size):
        picked = None if chosen is None else chosen[start : start + size]
        scores = (vectors[start : start + size] if picked is None else vectors.take(picked, axis=0)) @ turned
        whole = len(scores) // step * step
        maxima = np.concatenate([maxima, scores[:whole].reshape(-1, step, len(queries)).max(axis=1)])
        # Not after every block, for it takes as long as the maxima themselves.
        if len(maxima) >= (k if not bounded or start + size >= n else 4 * k):
            maxima = np.partition(maxima, len(maxima) - k, axis=0)[len(maxima) - k :]
            floor, bounded = maxima[0] - slack, True
        flat = np.flatnonzero(scores >= floor)
        row, query = np.divmod(flat, len(queries))
        found.append((row + start if picked is None else picked[row], query, scores.ravel()[flat]))
        pairs += len(flat)
        if pairs > MAX_PAIRS:
            return None
    row, query, rough = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = rough >= floor[query]
    row, query = row[kept], query[kept]
    exact = np.empty(len(row), dtype=np.float32)
    size = max(1, BLOCK_VALUES // vectors.shape[1])
    for start in range(0, len(row), size):
        part = slice(start, start + size)
        np.vecdot(vectors.take(row[part], axis=0), queries[query[part]], out=exact[part])
    order = np.lexsort((row, -exact, query))
    first = np.searchsorted(query[order], np.arange(len(queries)))
    best = order[first[:, None] + np.arange(k)]
    return row[best], exact[best]
