"""The map of films."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from matinee.errors import MatineeError
from matinee.training.movie_map import layout


def test_the_two_main_directions_span_the_map() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(200, 1)) * 5, rng.normal(size=(200, 1)) * 2, rng.normal(size=(200, 4)) * 0.1
    vectors = np.hstack(wide).astype(np.float32)
    points = layout(vectors)
    assert points.shape == (200, 2)
    assert points.dtype == np.float32
    np.testing.assert_allclose(np.abs(points).max(axis=0), 1)
    np.testing.assert_allclose(np.median(points, axis=0), 0, atol=1e-6)
    assert abs(np.corrcoef(points[:, 0], vectors[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], vectors[:, 1])[0, 1]) > 0.99
    np.testing.assert_array_equal(points, layout(vectors))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_films_have_a_map_too(count: int) -> None:
    points = layout(np.eye(5, dtype=np.float32)[:count])
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_umap_that_is_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MatineeError, match=r"pip install 'matinee\[map\]'"):
        layout(np.eye(5, dtype=np.float32), "umap")
