from __future__ import annotations

import numpy as np
import pytest

from matinee.models import row_sums
from matinee.models.row_sums import sum_rows


@pytest.mark.parametrize("wide", [0, 10_000])
@pytest.mark.parametrize("n", [0, 1, 31, 32, 100])
def test_sums_are_those_of_the_definition(n: int, wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sums, "WIDE", wide)
    rng = np.random.default_rng(n)
    matrix = rng.standard_normal((120, 50)).astype(np.float32)
    matrix.flags.writeable = False  # as a memory map is
    rows, weights = rng.permutation(120)[:n].astype(np.int64), rng.standard_normal(n).astype(np.float32)
    expected = np.zeros(50)
    for row, weight in zip(rows, weights, strict=True):
        expected += float(weight) * matrix[row].astype(np.float64)
    found = sum_rows(matrix, rows, weights)
    assert (found.dtype, found.shape) == (np.float32, (50,))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
