"""Kernels of pairs of movies beside products of matrices; these tests need no Spark."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.models.item_knn import ItemKNNConfig
from matinee.models.item_knn import nearest as nearest_by_products

pytest.importorskip("numba")


def ratings(n_users: int, k: int, seed: int) -> sp.csr_matrix:
    """Users × movies, weights on [0.5, 1.5)."""
    return sp.random(n_users, k, 0.2, "csr", np.float32, np.random.default_rng(seed)) + sp.csr_matrix(
        (np.full(n_users, 0.5, np.float32), (np.arange(n_users), np.arange(n_users) % k)), (n_users, k)
    )


@pytest.mark.parametrize(("first", "last"), [(0, 30), (7, 19), (29, 30)])
def test_pairs_of_a_span_of_movies_are_added(first: int, last: int) -> None:
    from matinee.spark.pairs import add_pairs

    total = np.zeros((last - first, 30), dtype=np.float32)
    expected = np.zeros_like(total)
    for seed in range(2):  # a second block is added to the first
        matrix = ratings(80, 30, seed).tocsr()
        some = matrix.tocsc()[:, first:last]
        add_pairs(some.indptr, some.indices, some.data, matrix.indptr, matrix.indices, matrix.data, total)
        expected += (matrix.T @ matrix).toarray()[first:last]
    assert np.allclose(total, expected, rtol=1e-5)


@pytest.mark.parametrize("neighbors", [1, 4, 30])
def test_the_nearest_of_dense_products_are_those_of_sparse_ones(neighbors: int) -> None:
    from matinee.spark.pairs import nearest

    matrix = ratings(80, 30, 3)
    dots = (matrix.T @ matrix).tocsr()
    squares = dots.diagonal().astype(np.float64)
    config = ItemKNNConfig(neighbors=neighbors)
    own = dots[10:22]
    expected = nearest_by_products(own, 10, squares, config)
    source, target = squares**config.asymmetry, squares ** (1 - config.asymmetry)
    found = sp.csr_matrix(nearest(own.toarray(), 10, source, target, config.shrinkage, neighbors), shape=own.shape)
    assert np.array_equal(found.indptr, expected.indptr)
    assert np.allclose(found.toarray(), expected.toarray(), rtol=1e-6)
