"""SVD and SVD++: the compiled passes against plain Python, and the fold-in against its equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matinee.errors import MissingExtraError
from matinee.models import Query, Svd, SvdPlusPlus
from matinee.models.sgd_kernels import svd_epoch, svd_plus_plus_epoch
from support import make_dataset, random_dataset

RATE, REGULARIZATION = np.float32(0.03), np.float32(0.05)


def small() -> dict[str, Any]:
    """9 users, 7 movies, 3 factors; the last user has no ratings."""
    rng = np.random.default_rng(3)
    sizes = np.array([3, 7, 1, 5, 2, 6, 4, 4, 0])
    movies = np.concatenate([np.sort(rng.permutation(7)[:size]) for size in sizes]).astype(np.int64)
    numbers = {"user_biases": 9, "biases": 7}
    tables = {"users": 9, "factors": 7, "implicit": 7}
    return {
        "indptr": np.concatenate([[0], np.cumsum(sizes)]),
        "owners": np.repeat(np.arange(9), sizes),
        "movies": movies,
        "targets": rng.normal(size=len(movies)).astype(np.float32),
        **{name: rng.normal(0, 0.3, n).astype(np.float32) for name, n in numbers.items()},
        **{name: rng.normal(0, 0.3, (n, 3)).astype(np.float32) for name, n in tables.items()},
    }


def slow(case: dict[str, Any], ratings: list[int], *, implicit: bool) -> tuple[dict[str, Any], float]:
    """One rating after the other, every parameter on its own, in double precision (as the papers have it)."""
    own = {name: np.array(value, dtype=np.float64) for name, value in case.items() if value.dtype == np.float32}
    total = 0.0
    for number in ratings:
        u, i = case["owners"][number], case["movies"][number]
        seen = case["movies"][case["indptr"][u] : case["indptr"][u + 1]] if implicit else np.zeros(0, dtype=np.int64)
        norm = 1 / np.sqrt(max(len(seen), 1))
        p, q, summed = own["users"][u].copy(), own["factors"][i].copy(), norm * own["implicit"][seen].sum(axis=0)
        error = own["targets"][number] - own["user_biases"][u] - own["biases"][i] - q @ (p + summed)
        total += error**2
        own["user_biases"][u] += RATE * (error - REGULARIZATION * own["user_biases"][u])
        own["biases"][i] += RATE * (error - REGULARIZATION * own["biases"][i])
        own["users"][u] += RATE * (error * q - REGULARIZATION * p)
        own["factors"][i] += RATE * (error * (p + summed) - REGULARIZATION * q)
        own["implicit"][seen] += RATE * (error * norm * q - REGULARIZATION * own["implicit"][seen])
    return own, total


def test_a_pass_of_svd_is_that_of_the_paper() -> None:
    case = small()
    order = np.random.default_rng(1).permutation(len(case["movies"]))
    expected, total = slow(case, order.tolist(), implicit=False)
    names = ("owners", "movies", "targets", "user_biases", "biases", "users", "factors")
    found = svd_epoch(order, *(case[name] for name in names), RATE, REGULARIZATION)
    assert found == pytest.approx(total, rel=1e-5)
    for name in ("user_biases", "biases", "users", "factors"):
        np.testing.assert_allclose(case[name], expected[name], rtol=1e-4, atol=1e-6)


def test_a_pass_of_svd_plus_plus_moves_every_y_as_the_paper_does() -> None:
    case = small()
    order = np.random.default_rng(1).permutation(9)
    ratings = [n for u in order for n in range(case["indptr"][u], case["indptr"][u + 1])]
    expected, total = slow(case, ratings, implicit=True)
    names = ("indptr", "movies", "targets", "user_biases", "biases", "users", "factors", "implicit")
    found = svd_plus_plus_epoch(order, *(case[name] for name in names), RATE, REGULARIZATION)
    assert found == pytest.approx(total, rel=1e-5)
    for name in ("user_biases", "biases", "users", "factors", "implicit"):
        np.testing.assert_allclose(case[name], expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Svd, SvdPlusPlus])
def test_fold_in_solves_its_equations(kind: type[Svd] | type[SvdPlusPlus]) -> None:
    """The gradient of Σ (r − r̂)² + λ|b_u, p_u|² is 0 at the user folded in."""
    data = random_dataset(80, 40, 0.3)
    model = kind(n_factors=5, epochs=40, learning_rate=0.02).fit(data)
    query = Query.of(data.ratings, 4)
    state = model.state()
    features = state["features"].astype(np.float64)
    places = np.searchsorted(state["items"], query.rows)
    offset = np.zeros(6)
    if "implicit" in state:
        offset[1:] = state["implicit"][places].sum(axis=0) / np.sqrt(len(query))
    own = model._fold_in(query) - offset
    errors = query.ratings - state["mean_scale"][0] - state["biases"][places] - features[places] @ (own + offset)
    ridge = 1 / (0.02 * 40) + 0.02 * len(query)
    np.testing.assert_allclose(features[places].T @ errors, ridge * own, atol=1e-4)


@pytest.mark.parametrize("kind", [Svd, SvdPlusPlus])
def test_more_passes_fit_better_and_seeds_differ(kind: type[Svd] | type[SvdPlusPlus]) -> None:
    data = random_dataset(80, 40, 0.4)
    queries = [Query.of(data.ratings, user) for user in range(80)]

    def error(model: Svd | SvdPlusPlus) -> float:
        scores = model.score(queries)
        return float(np.mean([np.mean((s[q.rows] - q.ratings) ** 2) for s, q in zip(scores, queries, strict=True)]))

    errors = [error(kind(n_factors=4, epochs=n, learning_rate=0.02).fit(data)) for n in (1, 10, 80)]
    assert errors[0] > errors[1] > errors[2]
    one, other = (kind(n_factors=4, epochs=3, seed=seed).fit(data).score(queries[:1]) for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_users_who_rated_the_same_films_are_told_apart_by_their_stars() -> None:
    data = make_dataset([(f"u{u}", f"m{i}", 1.0 + 4 * ((u + i) % 2), None) for u in range(20) for i in range(12)])
    model = Svd(n_factors=2, epochs=200, learning_rate=0.05).fit(data)
    high, low = (Query(np.arange(6), np.float32([a, b] * 3)) for a, b in ((5, 1), (1, 5)))
    scores = model.score([high, low])[:, 6:]
    assert (np.sign(np.diff(scores[0])) == -np.sign(np.diff(scores[1]))).all()


def test_without_numba_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="train"):
        Svd().fit(random_dataset(10, 10))
