from __future__ import annotations

import numpy as np
import pytest

from matinee.models import ItemKNN, Query
from matinee.models import linked_movies as module
from support import make_dataset, random_dataset

PLAIN = {"neighbors": 40, "shrinkage": 0.0, "asymmetry": 0.5, "user_weight": 0.0, "weighting": "binary"}


def test_by_hand() -> None:
    """a is rated by u, v; b by u, v, w; c by w: cosines ab = 2/√6, bc = 1/√3, ac = 0."""
    pairs = ["ua", "ub", "va", "vb", "wb", "wc"]
    data = make_dataset([(user, film, 4.0, None) for user, film in pairs])
    scores = ItemKNN(**PLAIN).fit(data).score([Query(np.array([1]), np.float32([5]))])[0]
    np.testing.assert_allclose(scores, [2 / 6**0.5, 0, 1 / 3**0.5], rtol=1e-6)
    shrunk = ItemKNN(**{**PLAIN, "shrinkage": 2.0}).fit(data).similar([0])
    np.testing.assert_allclose(shrunk[0], [0, 2 / (6**0.5 + 2), 0], rtol=1e-6)


@pytest.mark.parametrize("block", [16 * 40, 1 << 22])
def test_against_dense_arithmetic(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_CELLS", block)
    data = random_dataset(80, 40, 0.3)
    model = ItemKNN(
        neighbors=5, shrinkage=0.5, asymmetry=0.7, user_weight=0.5, weighting="stars", feedback="watched"
    ).fit(data)
    x = data.ratings.matrix().toarray().astype(np.float64) / 5
    x /= np.maximum((x > 0).sum(axis=1, keepdims=True), 1) ** 0.25
    norms = (x**2).sum(axis=0)
    sims = x.T @ x / (norms[:, None] ** 0.7 * norms[None, :] ** 0.3 + 0.5)
    np.fill_diagonal(sims, 0)
    for target in range(sims.shape[1]):
        weakest = np.sort(sims[:, target])[-5]
        sims[sims[:, target] < weakest, target] = 0
    rows, stars, _ = data.ratings.history(0)
    query = Query(rows.astype(np.int64), stars)
    np.testing.assert_allclose(model.score([query])[0], (stars / 5) @ sims[rows], rtol=1e-4, atol=1e-6)


def test_one_film_alone() -> None:
    model = ItemKNN().fit(make_dataset([("u", "a", 4, None)]))
    assert model.score([Query(np.array([0]), np.float32([5]))])[0, 0] == 0.0
