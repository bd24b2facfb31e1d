from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.models import truncated_svd as module
from matinee.models.truncated_svd import truncated_svd

pytest.importorskip("numba")


@pytest.mark.parametrize("shape", [(300, 70), (70, 300), (1, 9), (9, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("width", [1, 7, 64])
def test_products_are_those_of_scipy(shape: tuple[int, int], width: int) -> None:
    """Rows of none to hundreds of entries, which are taken eight at a time, and blocks of any layout."""
    from matinee.models.sparse_products import product

    rng = np.random.default_rng(0)
    dense = np.where(rng.random(shape) < rng.random((shape[0], 1)), rng.normal(size=shape), 0).astype(np.float32)
    dense[::7] = 0
    block = rng.normal(size=(width, shape[1])).astype(np.float32).T
    np.testing.assert_allclose(product(sp.csr_matrix(dense), block), dense @ block, rtol=1e-4, atol=1e-4)


def test_not_a_number_stays_where_it_is() -> None:
    from matinee.models.sparse_products import product

    matrix = sp.csr_matrix(np.array([[1, 0, 2], [0, 3, 0]], dtype=np.float32))
    block = np.array([[1, 2], [3, np.nan], [np.inf, 4]], dtype=np.float32)
    np.testing.assert_array_equal(product(matrix, block), [[np.inf, 10], [9, np.nan]])


def test_a_decomposition_by_compiled_products_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sp.random(400, 150, 0.1, random_state=0, dtype=np.float32, format="csr")
    wanted = truncated_svd(matrix, 8, iterations=8)
    monkeypatch.setattr(module, "COMPILED", 0)
    for ours, theirs in zip(truncated_svd(matrix, 8, iterations=8), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
