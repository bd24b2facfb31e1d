from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.models.svd import truncated_svd


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("shape", [(80, 50), (50, 80)])
def test_agrees_with_the_dense_decomposition(shape: tuple[int, int], centre: bool) -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(shape[0], 6)) @ np.diag([9, 7, 5, 3, 2, 1.5]) @ rng.normal(size=(6, shape[1]))
    dense = np.where(rng.random(shape) < 0.4, low, 0).astype(np.float32)
    left, values, right = truncated_svd(sp.csr_matrix(dense), 5, centre=centre)
    wanted = dense - dense.mean(axis=0) if centre else dense
    u, s, vt = np.linalg.svd(wanted, full_matrices=False)
    np.testing.assert_allclose(values, s[:5], rtol=1e-3)
    best = (u[:, :5] * s[:5]) @ vt[:5]
    assert np.linalg.norm((left * values) @ right - best) < 0.02 * np.linalg.norm(best)
    np.testing.assert_allclose(left.T @ left, np.eye(5), atol=1e-4)
    np.testing.assert_allclose(right @ right.T, np.eye(5), atol=1e-4)
    assert (right[np.arange(5), np.abs(right).argmax(axis=1)] > 0).all()


def test_a_matrix_of_low_rank_gives_no_more_than_it_has() -> None:
    matrix = sp.csr_matrix(np.outer(np.arange(1, 9), np.arange(1, 6)).astype(np.float32))
    left, values, right = truncated_svd(matrix, 4)
    assert (left.shape, values.shape, right.shape) == ((8, 1), (1,), (1, 5))
    np.testing.assert_allclose((left * values) @ right, matrix.toarray(), rtol=1e-4)


def test_is_reproducible_and_empty_matrices_are_no_error() -> None:
    matrix = sp.random(40, 30, 0.2, random_state=1, dtype=np.float32, format="csr")
    for first, second in zip(truncated_svd(matrix, 4), truncated_svd(matrix, 4), strict=True):
        np.testing.assert_array_equal(first, second)
    left, values, right = truncated_svd(sp.csr_matrix((5, 4), dtype=np.float32), 3)
    assert (left.shape, values.shape, right.shape) == ((5, 0), (0,), (0, 4))
