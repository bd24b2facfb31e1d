from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.models.truncated_svd import truncated_svd


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(80, 50), (50, 80)])
def test_agrees_with_the_dense_decomposition(shape: tuple[int, int], center: bool) -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(shape[0], 6)) @ np.diag([9, 7, 5, 3, 2, 1.5]) @ rng.normal(size=(6, shape[1]))
    dense = np.where(rng.random(shape) < 0.4, low, 0).astype(np.float32)
    left, values, right = truncated_svd(sp.csr_matrix(dense), 5, center=center)
    wanted = dense - dense.mean(axis=0) if center else dense
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


DEGENERATE: dict[str, sp.csr_matrix] = {
    "no entries": sp.csr_matrix((7, 5), dtype=np.float32),
    "stored zeros": sp.csr_matrix((np.zeros(9, np.float32), (np.arange(9) % 4, np.arange(9) % 5)), shape=(7, 5)),
    "no rows": sp.csr_matrix((0, 5), dtype=np.float32),
    "no columns": sp.csr_matrix((5, 0), dtype=np.float32),
    "one value": sp.csr_matrix(np.full((1, 1), 3, np.float32)),
    "one row": sp.csr_matrix(np.arange(6, dtype=np.float32)[None]),
    "all equal": sp.csr_matrix(np.ones((60, 40), np.float32)),
    "an identity": sp.csr_matrix(np.eye(50, dtype=np.float32)),
    "two blocks": sp.csr_matrix(np.kron(np.eye(2), np.ones((30, 20))).astype(np.float32)),
    "all but nothing": sp.csr_matrix(np.full((30, 20), 1e-12, np.float32)),
    "very large": sp.csr_matrix(np.full((30, 20), 1e12, np.float32)),
}


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("case", DEGENERATE)
def test_a_degenerate_matrix_is_decomposed_too(case: str, center: bool) -> None:
    """Finite and orthonormal, no more values than the rank, and their product is the matrix again."""
    matrix = DEGENERATE[case]
    left, values, right = truncated_svd(matrix, 50, center=center)
    assert (left.shape, right.shape) == ((matrix.shape[0], len(values)), (len(values), matrix.shape[1]))
    dense = matrix.toarray().astype(np.float64)
    wanted = dense - dense.mean(axis=0) if center and dense.size else dense
    size = np.abs(dense).max(initial=0.0)
    assert len(values) == (np.linalg.matrix_rank(wanted, tol=1e-4 * size) if size else 0)
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(left.T @ left, np.eye(len(values)), atol=1e-4)
    np.testing.assert_allclose(right @ right.T, np.eye(len(values)), atol=1e-4)
    np.testing.assert_allclose((left * values) @ right, wanted, atol=1e-4 * size)


@pytest.mark.parametrize("values", ["ones", "stars"])
def test_the_numbering_of_rows_and_columns_does_not_matter(values: str) -> None:
    """Also where the iteration has not come to its end: the random start is dealt out by what the columns hold."""
    rng = np.random.default_rng(2)
    dense = (rng.random((90, 70)) < rng.random(70) * 0.4) * (1 if values == "ones" else rng.integers(1, 6, (90, 70)))
    rows, columns = rng.permutation(90), rng.permutation(70)
    left, found, right = truncated_svd(sp.csr_matrix(dense.astype(np.float32)), 20)
    moved = truncated_svd(sp.csr_matrix(dense[rows][:, columns].astype(np.float32)), 20)
    np.testing.assert_allclose(moved[1], found, rtol=1e-4)
    np.testing.assert_allclose(moved[0], left[rows], atol=2e-3)
    np.testing.assert_allclose(moved[2], right[:, columns], atol=2e-3)
