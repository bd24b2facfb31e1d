"""Sparse products of movies over their users against the dense ones, and weights of all users against those of each."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.data.ratings import Ratings
from matinee.models import gram
from matinee.models.gram import gram_matrix
from matinee.models.item_knn import ItemKNN
from matinee.models.preference import StarScale
from support import random_dataset


def silent(_what: str, _share: float) -> None:
    pass


@pytest.fixture
def sparse() -> sp.csr_matrix:
    dense = np.random.default_rng(5).random((300, 70), dtype=np.float32)
    dense[dense < 0.95] = 0
    dense[:, 3] = 0  # a movie without users
    return sp.csr_matrix(dense)


def test_the_sparse_gram_matrix_is_the_dense_one(sparse: sp.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = np.tril(gram_matrix(sparse, silent, "ease"))
    monkeypatch.setattr(gram, "LARGE", 0)
    monkeypatch.setattr(gram, "SPARSE_GAIN", 0.0)
    shares: list[float] = []
    compiled = gram_matrix(sparse, lambda _what, share: shares.append(share), "ease")
    assert np.triu(compiled, 1).sum() == 0
    np.testing.assert_allclose(np.tril(compiled), dense, rtol=1e-5)
    assert shares == sorted(shares)
    assert shares[-1] == 0.5


@pytest.mark.parametrize("neighbors", [3, 1000])
def test_compiled_neighbors_are_those_by_blocks(neighbors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = random_dataset(80, 40, 0.3)
    by_blocks = ItemKNN(neighbors=neighbors).fit(dataset).state()
    monkeypatch.setattr(gram, "LARGE", 0)
    compiled = ItemKNN(neighbors=neighbors).fit(dataset).state()
    rows = [
        sp.csr_matrix((s["data"], s["indices"], s["indptr"]), shape=(len(s["items"]),) * 2).toarray()
        for s in (by_blocks, compiled)
    ]
    # Which of equally near ones are kept is left open, how near they are is not.
    np.testing.assert_allclose(np.sort(rows[0], axis=0), np.sort(rows[1], axis=0), rtol=1e-6)
    np.testing.assert_array_equal((rows[0] > 0).sum(axis=0), (rows[1] > 0).sum(axis=0))


def test_weights_of_all_users_are_those_of_each() -> None:
    random = np.random.default_rng(2)
    sizes = np.array([0, 1, 5, 40, 3, 0])
    stars = random.integers(1, 11, sizes.sum()).astype(np.float32) / 2
    stars[1:6] = 4.0  # a user of one value
    movies = np.concatenate([np.arange(size) for size in sizes]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    times = np.zeros(len(stars), dtype=np.int64)
    ratings = Ratings([str(user) for user in range(6)], indptr, movies, stars, times, 40)
    scale = StarScale(0.5, 5.0, float(stars.mean()), float(stars.std()))
    each = np.concatenate([scale.standardized(ratings.history(user)[1]) for user in range(6)])
    expected = np.interp(each, (-1.5, 0.0, 1.0), (0.3, 0.6, 1.0))
    np.testing.assert_allclose(scale.training_weights(ratings), expected, rtol=1e-6)
