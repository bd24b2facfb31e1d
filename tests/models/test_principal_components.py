from __future__ import annotations

import numpy as np

from matinee.models.principal_components import principal_components


def test_the_fewest_directions_that_hold_the_share() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(200, 8)) * [9, 5, 3, 1, 1, 0.5, 0.1, 0.1] @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 4
    centered = table - table.mean(axis=0)
    values = np.linalg.svd(centered, compute_uv=False) ** 2
    values /= values.sum()
    for share in (0.5, 0.95, 1.0):
        found, shares = principal_components(table, share)
        rank = int(np.searchsorted(np.cumsum(values), share - 1e-12)) + 1
        assert found.shape == (200, rank)
        np.testing.assert_allclose(shares, values[:rank], rtol=1e-5)
    np.testing.assert_allclose(found @ found.T, centered @ centered.T, atol=1e-3)
    turned, _ = principal_components(-table, 0.95)
    np.testing.assert_allclose(np.abs(turned), np.abs(principal_components(table, 0.95)[0]), atol=1e-3)


def test_without_centering_the_mean_is_a_direction() -> None:
    found, _ = principal_components(np.full((5, 3), 2.0), center=False)
    np.testing.assert_allclose(np.abs(found), np.full((5, 1), 12**0.5), rtol=1e-6)
    assert principal_components(np.full((5, 3), 2.0))[0].shape == (5, 0)
    assert principal_components(np.zeros((0, 3)))[0].shape == (0, 0)
