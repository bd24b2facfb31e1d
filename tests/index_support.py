"""What the index tests share: data, a slow reference, and the makers of every index that must pass the contract.

An index joins the contract suite (`contracts/test_indexes.py`) by one more entry in `FACTORIES`: a function that takes
items and vectors and gives a context manager, so that a server can be ended with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elasticsearch_support import knn
from matinee.indexes import UpdatableIndex, VectorIndex, available_kinds, build_index
from matinee.indexes.base import Found, Items, Mask, Vectors
from postgres_support import pgvector
from vector_process import remote

Maker = Callable[[Items, Vectors], AbstractContextManager[VectorIndex]]


@dataclass(frozen=True)
class Factory:
    """One kind of index under test.

    Attributes:
        exact: whether it must give exactly the nearest.
        recall: lowest recall@10 on clustered and on unclustered vectors.
    """

    make: Maker
    exact: bool = False
    recall: tuple[float, float] = (0.9, 0.9)


def make_index(kind: str, items: Items, vectors: Vectors, **config: Any) -> UpdatableIndex:
    """As `build_index`; the test is skipped where the library is not installed."""
    if kind not in available_kinds():
        pytest.skip(f"the library of the index {kind} is not installed")
    return build_index(kind, items, vectors, **config)


def built(kind: str, **config: Any) -> Maker:
    @contextmanager
    def make(items: Items, vectors: Vectors) -> Iterator[VectorIndex]:
        yield make_index(kind, items, vectors, **config)

    return make


def changed(kind: str, **config: Any) -> Maker:
    """The same items by detours: some were another vector first, some came later, some others are gone."""

    @contextmanager
    def make(items: Items, vectors: Vectors) -> Iterator[VectorIndex]:
        n, dim = len(items), vectors.shape[1]
        early = np.arange(n) % 5 != 0
        wrong = np.arange(n) % 7 == 1
        first = np.where(wrong[:, None], -np.asarray(vectors), vectors)
        decoys = np.arange(3) + (int(items[-1]) + 1 if n else 0)
        more = np.ones((3, dim)) + np.eye(3, dim)
        index = make_index(
            kind,
            np.concatenate([items[early], decoys]),
            np.concatenate([first[early], more]).astype(np.float32),
            **config,
        )
        late = ~early | wrong
        index.add(items[late], np.asarray(vectors)[late])
        index.delete(decoys)
        yield index

    return make


FACTORIES: dict[str, Factory] = {
    "exact": Factory(built("exact"), exact=True),
    "exact-changed": Factory(changed("exact"), exact=True),
    "faiss-flat": Factory(built("faiss", variant="flat"), exact=True),
    "faiss-hnsw": Factory(built("faiss", variant="hnsw")),
    "faiss-ivf": Factory(built("faiss", variant="ivf")),
    "faiss-ivf-half": Factory(built("faiss", variant="ivf", codes="float16")),
    "faiss-changed": Factory(changed("faiss")),
    "annoy": Factory(built("annoy", trees=20)),
    "hnsw": Factory(built("hnsw")),
    "hnsw-changed": Factory(changed("hnsw", codes="i8")),
    "remote": Factory(remote, exact=True),
    "pgvector": Factory(pgvector("exact"), exact=True),
    "pgvector-hnsw": Factory(pgvector("hnsw")),
    "elasticsearch": Factory(knn("exact"), exact=True),
    "elasticsearch-hnsw": Factory(knn("hnsw")),
}


def random_vectors(n: int, dim: int, seed: int = 0, clusters: int = 0) -> Vectors:
    """Unit vectors, around as many centres as wanted (0: spread evenly)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dim))
    if clusters:
        vectors = 0.5 * vectors + rng.normal(size=(clusters, dim))[rng.integers(0, clusters, n)]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def cosines(queries: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(n_queries, n), in double precision."""
    left, right = np.asarray(queries, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    return np.asarray(left @ right.T)


def assert_sound(
    found: Found, queries: Vectors, k: int, items: Items, vectors: Vectors, allowed: Mask | None, exact: bool
) -> None:
    """What every answer must be: as many as can be had, allowed, distinct, rightly scored, best first, ties by item."""
    usable = np.ones(len(items), dtype=np.bool_)
    if allowed is not None:
        usable = (
            (items < len(allowed)) & allowed[np.minimum(items, len(allowed) - 1)] if len(allowed) else usable & False
        )
    count = min(k, int(usable.sum()))
    width = min(k, len(items))
    assert found.items.dtype == np.int64
    assert found.similarities.dtype == np.float32
    assert found.items.shape == found.similarities.shape == (len(queries), width)
    assert (found.items[:, count:] == -1).all()
    assert np.isnan(found.similarities[:, count:]).all()
    if not len(items) or not len(queries):
        return
    true = cosines(queries, vectors)
    for row in range(len(queries)):
        got, similarities = found.items[row, :count], found.similarities[row, :count]
        places = np.searchsorted(items, got)
        assert (items[np.minimum(places, len(items) - 1)] == got).all()
        assert usable[places].all()
        assert len(set(got.tolist())) == count
        np.testing.assert_allclose(similarities, true[row, places], atol=2e-6)
        assert got.tolist() == got[np.lexsort((got, -similarities))].tolist()
        if exact:
            best = np.sort(true[row, usable])[::-1][:count]
            np.testing.assert_allclose(similarities, best, atol=2e-6)


def recall(found: Found, true: Found) -> float:
    """Share of the true items that were found."""
    hits = sum(len(set(a) & set(b)) for a, b in zip(found.items.tolist(), true.items.tolist(), strict=True))
    return hits / true.items.size
