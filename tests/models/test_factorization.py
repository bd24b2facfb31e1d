"""The start of the factor models: it depends on the data alone."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from matinee.models.factorization import principal_directions


def test_directions_are_scaled_by_the_roots_of_their_values() -> None:
    rng = np.random.default_rng(0)
    dense = (rng.normal(size=(40, 3)) * [9, 5, 2]) @ rng.normal(size=(3, 30))
    found = principal_directions(sp.csr_matrix(dense.astype(np.float32)), 5)
    assert found.shape == (30, 5)
    assert found.dtype == np.float32
    assert not found[:, 3:].any(), "directions that the matrix does not have"
    values = np.linalg.svd(dense, compute_uv=False)[:3]
    np.testing.assert_allclose(found[:, :3].T @ found[:, :3], np.diag(values), rtol=1e-3, atol=1e-3)


def test_a_matrix_of_nothing_has_no_directions() -> None:
    for matrix in (sp.csr_matrix((9, 4)), sp.csr_matrix((np.zeros(3), ([0, 1, 2], [0, 1, 2])), shape=(300, 200))):
        found = principal_directions(matrix, 6)
        assert found.shape == (matrix.shape[1], 6)
        assert not found.any()
