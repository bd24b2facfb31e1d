"""The map of films."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.manifold import trustworthiness

from matinee.encoders.projection import unit
from matinee.errors import MatineeError
from matinee.training import nearest_movies
from matinee.training.movie_map import MAX_NEIGHBORS, Method, layout, method_for
from matinee.training.nearest_movies import nearest
from matinee.training.neighbor_layout import neighbor_graph


def test_the_two_main_directions_span_the_map() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(200, 1)) * 5, rng.normal(size=(200, 1)) * 2, rng.normal(size=(200, 4)) * 0.1
    vectors = np.hstack(wide).astype(np.float32)
    points = layout(vectors, "pca")
    assert points.shape == (200, 2)
    assert points.dtype == np.float32
    np.testing.assert_allclose(np.abs(points).max(axis=0), 1)
    np.testing.assert_allclose(np.median(points, axis=0), 0, atol=1e-6)
    assert abs(np.corrcoef(points[:, 0], vectors[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], vectors[:, 1])[0, 1]) > 0.99
    np.testing.assert_array_equal(points, layout(vectors, "pca"))


def test_the_nearest_neighbors_of_a_film_are_near_it_on_the_map() -> None:
    """Twenty tight groups in 32 dimensions, whose two main directions mix them."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 40)
    vectors = unit(rng.normal(size=(20, 32))[groups] + 0.25 * rng.normal(size=(800, 32)))
    points = layout(vectors, "neighbors", seed=3)
    assert points.dtype == np.float32
    np.testing.assert_allclose(np.abs(points).max(axis=0), 1)
    assert trustworthiness(vectors, points, n_neighbors=10, metric="cosine") > 0.95
    of_a_group = {}
    for name, placed in (("neighbors", points), ("pca", layout(vectors, "pca"))):
        rows, _ = nearest(points_as_unit(placed), 10)
        of_a_group[name] = (groups[rows] == groups[:, None]).mean()
    assert of_a_group["neighbors"] > 0.98
    assert of_a_group["pca"] < 0.9
    np.testing.assert_array_equal(points, layout(vectors, "neighbors", seed=3), "a seed gives the same map again")


def points_as_unit(points: np.ndarray) -> np.ndarray:
    """Points lifted onto a small part of a sphere, where the cosine orders pairs as their distance does."""
    return unit(np.hstack([points, np.full((len(points), 1), 100, dtype=np.float32)]).astype(np.float64))


def test_cells_find_the_nearest_that_comparing_all_pairs_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng.normal(size=(60, 16))[rng.integers(0, 60, 3000)] + 0.4 * rng.normal(size=(3000, 16)))
    vectors[:40] = vectors[0]  # more than are asked for
    distances = nearest(vectors, 15)[1]
    monkeypatch.setattr(nearest_movies, "EXACT_PRODUCTS", 0)
    monkeypatch.setattr(nearest_movies, "BLOCK_BYTES", 1 << 16)
    probed, probed_distances = nearest(vectors, 15)
    assert (probed != np.arange(3000)[:, None]).all()
    assert (np.sort(probed, axis=1)[:, 1:] != np.sort(probed, axis=1)[:, :-1]).all()
    np.testing.assert_allclose(probed_distances, 1 - (vectors[:, None] * vectors[probed]).sum(axis=2), atol=1e-5)
    assert (probed_distances <= distances[:, -1:] + 1e-6).mean() > 0.98
    np.testing.assert_array_equal(probed, nearest(vectors, 15)[0])
    monkeypatch.setattr(nearest_movies, "PROBED", 1)
    few = unit(np.vstack([np.eye(4, 8), rng.normal(size=(12, 8))]))
    assert nearest(few, 15)[0].shape == (16, 15), "cells with fewer movies than are asked for"


def test_memberships_sum_to_the_logarithm_of_the_neighbors() -> None:
    rng = np.random.default_rng(2)
    vectors = unit(rng.normal(size=(60, 8)))
    rows, distances = nearest(vectors, 8)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    np.testing.assert_array_equal(rows, np.argsort(-cosines, axis=1, kind="stable")[:, :8])
    graph = neighbor_graph(rows, distances).toarray()
    np.testing.assert_allclose(graph, graph.T, rtol=1e-6)
    assert graph.max() <= 1 + 1e-6
    one_way = np.zeros((60, 60))
    for row in range(60):
        beyond = distances[row].astype(float) - distances[row, 0]
        width = brentq(lambda width, beyond=beyond: np.exp(-beyond / width).sum() - 3, 1e-4, 1e4)
        one_way[row, rows[row]] = np.exp(-beyond / width)
    np.testing.assert_allclose(graph, one_way + one_way.T - one_way * one_way.T, atol=1e-3)


def test_too_many_films_to_compare_all_pairs_are_laid_out_by_their_main_directions() -> None:
    assert method_for(MAX_NEIGHBORS, "neighbors") == "neighbors"
    assert method_for(MAX_NEIGHBORS + 1, "neighbors") == "pca"
    assert method_for(MAX_NEIGHBORS + 1, "umap") == "umap"


@pytest.mark.parametrize("method", ["neighbors", "pca"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_few_films_have_a_map_too(count: int, method: Method) -> None:
    points = layout(np.eye(5, dtype=np.float32)[:count], method)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_umap_that_is_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MatineeError, match=r"pip install 'matinee\[map\]'"):
        layout(np.eye(5, dtype=np.float32), "umap")
