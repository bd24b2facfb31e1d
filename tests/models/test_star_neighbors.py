"""User- and item-kNN for stars against slow arithmetic, pair by pair."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from matinee.data.dataset import Dataset
from matinee.models import ItemKnnStars, Query, UserKnnStars
from matinee.models import item_knn_stars as module
from support import make_dataset, random_dataset

Kind = type[ItemKnnStars] | type[UserKnnStars]
SIMILARITIES = ("cosine", "msd", "pearson", "pearson_baseline")
CENTERINGS = ("none", "mean", "baseline")


def likeness(x: Any, y: Any, similarity: str, shrinkage: float) -> float:
    """Of the ratings in common of two, by the textbook."""
    if not len(x):
        return 0.0
    if similarity == "msd":
        found = 1 / (1 + np.mean((x - y) ** 2))
    else:
        if similarity == "pearson":
            x, y = x - x.mean(), y - y.mean()
        size = np.linalg.norm(x) * np.linalg.norm(y)
        found = x @ y / size if size > 1e-6 else 0.0
    return max(float(found * ((len(x) - 1) / (len(x) - 1 + shrinkage) if shrinkage else 1.0)), 0.0)


def slow(data: Dataset, user: int, by: str, config: dict[str, Any]) -> Any:
    """Stars of all movies for a user of the data set, unclipped."""
    stars = data.ratings.matrix().toarray().astype(np.float64)
    seen = stars > 0
    mean = stars[seen].mean()
    users, movies = np.zeros((len(stars), 1)), np.zeros((1, stars.shape[1]))
    for _ in range(10):
        movies = (seen * (stars - mean - users)).sum(axis=0, keepdims=True) / (10 + seen.sum(axis=0, keepdims=True))
        users = (seen * (stars - mean - movies)).sum(axis=1, keepdims=True) / (15 + seen.sum(axis=1, keepdims=True))
    baseline = mean + users + movies
    axis = 1 if by == "user" else 0
    means = np.broadcast_to(stars.sum(axis=axis, keepdims=True) / seen.sum(axis=axis, keepdims=True), stars.shape)
    center = {"none": np.zeros_like(stars), "mean": means, "baseline": baseline}[config["centering"]]
    compared = stars - baseline if config["similarity"] == "pearson_baseline" else stars
    found = np.empty(stars.shape[1])
    for movie in range(stars.shape[1]):
        near = []
        for other in range(len(stars) if by == "user" else stars.shape[1]):
            if by == "user":
                both, rated = seen[user] & seen[other], (other, movie)
                pair = compared[user][both], compared[other][both]
            else:
                both, rated = seen[:, movie] & seen[:, other], (user, other)
                pair = compared[:, movie][both], compared[:, other][both]
                if other == movie:
                    continue
            alike = likeness(*pair, config["similarity"], config["shrinkage"]) * (len(pair[0]) >= config["min_support"])
            if seen[rated] and alike > 0:
                near.append((alike, stars[rated] - center[rated]))
        # Those that are as near as the last one count too.
        last = sorted([alike for alike, _ in near], reverse=True)[: config["neighbors"]]
        near = [pair for pair in near if pair[0] >= min(last) - 1e-7]
        found[movie] = baseline[user, movie]
        if len(near) >= config["min_neighbors"]:
            weights, surplus = np.array(near).T
            found[movie] = center[user, movie] + weights @ surplus / weights.sum()
    return found


@pytest.mark.parametrize(("similarity", "centering"), list(product(SIMILARITIES, CENTERINGS)))
@pytest.mark.parametrize("by", ["item", "user"])
def test_against_slow_arithmetic(by: str, similarity: str, centering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_CELLS", 100)  # several blocks
    data = random_dataset(40, 20, 0.4)
    config = {"similarity": similarity, "centering": centering, "shrinkage": 3.0, "min_support": 2}
    config |= {"neighbors": 5, "min_neighbors": 2}
    model = (UserKnnStars if by == "user" else ItemKnnStars)(**config).fit(data)
    for user in (0, 7, 31):
        found = model.score([Query.of(data.ratings, user)])[0]
        np.testing.assert_allclose(found, np.clip(slow(data, user, by, config), *data.scale), atol=2e-3)


def test_without_shrinkage_one_rating_in_common_is_enough() -> None:
    data = make_dataset([("u", "a", 4, None), ("u", "b", 2, None), ("v", "a", 5, None)])
    query = Query(np.array([0]), np.float32([4]))
    for kind in (ItemKnnStars, UserKnnStars):
        plain, shrunk = (
            kind(similarity="cosine", shrinkage=shrinkage, centering="none").fit(data).score([query])[0, 1]
            for shrinkage in (0, 100)
        )
        assert plain == pytest.approx(4 if kind is ItemKnnStars else 2)  # her own film, or the other user's stars
        assert shrunk not in (2, 4)  # the baseline


def test_fewer_stored_links_are_the_nearest() -> None:
    data = random_dataset(80, 40, 0.4)
    whole, few = (ItemKnnStars(stored=n).fit(data).similar([3])[0] for n in (40, 6))
    kept = few > 0
    assert 0 < kept.sum() < (whole > 0).sum()
    np.testing.assert_array_equal(few[kept], whole[kept])


def test_likeness_of_user_knn_is_the_cosine_of_centered_ratings() -> None:
    data = random_dataset(30, 20, 0.4)
    stars = data.ratings.matrix().toarray()
    seen = stars > 0
    table = np.where(seen, stars - stars.sum(axis=1, keepdims=True) / seen.sum(axis=1, keepdims=True), 0)
    table /= np.linalg.norm(table, axis=0)
    found = UserKnnStars(centering="mean").fit(data).similar([4, 2])
    np.testing.assert_allclose(found, table[:, [4, 2]].T @ table, atol=1e-5)
