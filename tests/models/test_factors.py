"""Stars, iALS and the solver that they share."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.models import ImplicitALS, Query, Stars, ials
from matinee.models import factorization as module
from matinee.models.factorization import Shared, batch_pool, principal_directions, ridge_descend, ridge_solve
from support import make_dataset, random_dataset


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_ridge_solve_against_one_row_at_a_time(seed: int, with_base: bool) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.random(13, 9, density=float(rng.uniform(0, 0.8)), format="csr", random_state=seed)
    features = rng.normal(size=(9, 4)).astype(np.float32)
    ridge = rng.uniform(0.5, 2, size=(13, 4)).astype(np.float32)
    base = (np.eye(4) * 0.3).astype(np.float32) if with_base else None
    targets = matrix.data.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch, batch_pool() as pool:
        patch.setattr(module, "BATCH_CELLS", 100)
        found = ridge_solve(matrix.indptr, matrix.indices, targets, features, ridge, pool, base)
    for row in range(13):
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        f = features[matrix.indices[own]].astype(np.float64)
        left = f.T @ f + np.diag(ridge[row]) + (0 if base is None else base)
        expected = np.linalg.solve(left, f.T @ targets[own]) if len(f) else np.zeros(4)
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


def _systems(seed: int, n: int = 37, k: int = 11, d: int = 6) -> tuple[Any, ...]:
    """Random ridge systems as iALS has them, and their solutions one at a time, in double precision."""
    rng = np.random.default_rng(seed)
    matrix = sp.random(n, k, density=0.4, format="csr", random_state=seed, dtype=np.float32)
    features = rng.normal(size=(k, d)).astype(np.float32)
    ridge = rng.uniform(0.5, 2, size=n).astype(np.float32)
    base = np.float32(0.3) * (features.T @ features)
    pull = rng.normal(size=(n, d)).astype(np.float32)
    expected = np.zeros((n, d))
    for row in np.flatnonzero(np.diff(matrix.indptr)):
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        f = features[matrix.indices[own]].astype(np.float64)
        left = f.T @ f + base + np.eye(d) * ridge[row]
        expected[row] = np.linalg.solve(left, f.T @ matrix.data[own] + pull[row])
    return matrix, features, ridge, base, pull, expected


def _descend(systems: tuple[Any, ...], start: Any, **options: Any) -> Any:
    """`ridge_descend` for what `_systems` makes."""
    matrix, features, ridge, base, pull, _ = systems
    counts = np.bincount(matrix.indices, minlength=len(features))
    entries = (matrix.indptr, matrix.indices, matrix.data)
    with batch_pool() as pool:
        shared = Shared.of(features, base, counts, pool)
        return ridge_descend(*entries, shared, ridge, pool, start, pull=pull, **options)


def test_conjugate_gradients_reach_the_solution() -> None:
    """In as many steps as there are unknowns; fewer come nearer, and the start is left alone."""
    systems = _systems(3)
    matrix, expected = systems[0], systems[-1]
    start = np.zeros(expected.shape, dtype=np.float32)
    rated = np.diff(matrix.indptr) > 0
    far, near = _descend(systems, start, steps=2), _descend(systems, start, steps=12)
    again = _descend(systems, near, steps=1)
    assert not start.any()
    np.testing.assert_allclose(near[rated], expected[rated], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(again[rated], expected[rated], rtol=1e-3, atol=1e-4)
    errors = [float(np.linalg.norm(found[rated] - expected[rated])) for found in (start, far, near)]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("steps", [1, 3])
def test_features_in_groups_and_any_number_of_threads_make_no_difference(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups change the order of no sum but that of a row's entries; threads change nothing at all."""
    systems = _systems(5, n=300, k=90, d=16)
    start = np.random.default_rng(0).normal(size=systems[-1].shape).astype(np.float32)
    whole = _descend(systems, start, steps=steps)
    monkeypatch.setattr(module, "WORKERS", 5)
    np.testing.assert_array_equal(_descend(systems, start, steps=steps), whole)
    monkeypatch.setattr(module, "WHOLE_BYTES", 0)
    monkeypatch.setattr(module, "GROUP_BYTES", 4 * 16 * 7)  # 7 features: thirteen groups
    grouped = _descend(systems, start, steps=steps)
    np.testing.assert_allclose(grouped, whole, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(module, "WORKERS", 1)
    np.testing.assert_array_equal(_descend(systems, start, steps=steps), grouped)


def test_columns_of_a_row_need_no_order_where_features_are_taken_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, *rest = _systems(6, n=50, k=40)
    start = np.zeros(rest[-1].shape, dtype=np.float32)
    whole = _descend((matrix, *rest), start, steps=2)
    reversed_rows = np.concatenate([np.arange(b - 1, a - 1, -1) for a, b in pairwise(matrix.indptr)])
    shuffled = sp.csr_matrix((matrix.data[reversed_rows], matrix.indices[reversed_rows], matrix.indptr), matrix.shape)
    monkeypatch.setattr(module, "WHOLE_BYTES", 0)
    monkeypatch.setattr(module, "GROUP_BYTES", 4 * 6 * 10)
    np.testing.assert_allclose(_descend((shuffled, *rest), start, steps=2), whole, rtol=1e-4, atol=1e-5)


def test_one_step_comes_as_near_as_three_without_a_preconditioner() -> None:
    """Features of very different sizes, as those of a start are: the reason why one step is enough."""
    matrix, features, ridge, _, pull, _ = _systems(7, n=200, k=60, d=12)
    features = features * np.float32(2.0) ** -np.arange(12, dtype=np.float32)
    base = np.float32(0.5) * (features.T @ features)
    found = _descend((matrix, features, ridge, base, 0 * pull, None), np.zeros((200, 12), np.float32), steps=1)

    def error(rows: Any) -> float:
        """Squares of what is missing, as the systems measure them."""
        total = 0.0
        for row in range(200):
            own = slice(matrix.indptr[row], matrix.indptr[row + 1])
            f = features[matrix.indices[own]].astype(np.float64)
            left = f.T @ f + base + np.eye(12) * ridge[row]
            rest = rows[row] - np.linalg.solve(left, f.T @ matrix.data[own])
            total += float(rest @ left @ rest)
        return total

    plain = np.zeros((200, 12))
    for row in range(200):
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        f = features[matrix.indices[own]].astype(np.float64)
        left = f.T @ f + base + np.eye(12) * ridge[row]
        rest = f.T @ matrix.data[own]
        direction = rest.copy()
        for _ in range(3):
            length = rest @ rest
            if length == 0:
                break
            step = length / (direction @ left @ direction)
            plain[row] += step * direction
            rest = rest - step * left @ direction
            direction = rest + rest @ rest / length * direction
    assert error(found) < error(plain)


def test_block_by_block_reaches_the_solution() -> None:
    matrix, features, ridge, base, pull, expected = _systems(4)
    entries, wide = (matrix.indptr, matrix.indices, matrix.data), np.repeat(ridge[:, None], features.shape[1], axis=1)
    rated = np.diff(matrix.indptr) > 0
    with batch_pool() as pool:
        exact = ridge_solve(*entries, features, wide, pool, base, pull=pull)
        rows = np.zeros_like(exact)
        for _ in range(40):  # 6 factors by 4: the last block is smaller
            rows = ridge_solve(*entries, features, wide, pool, base, pull=pull, start=rows, block=4)
    np.testing.assert_allclose(exact[rated], expected[rated], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(rows[rated], expected[rated], rtol=2e-3, atol=5e-4)


@pytest.mark.parametrize("solver", ["blocks", "cg"])
def test_every_solver_learns_the_same_factors(solver: str) -> None:
    data = random_dataset(60, 30, 0.3)
    query = Query.of(data.ratings, 3)
    common = {"n_factors": 6, "unobserved": 0.2, "regularization": 0.02, "iterations": 30}
    exact = ImplicitALS(solver="exact", **common).fit(data).score([query])
    found = ImplicitALS(solver=solver, block_size=4, **common).fit(data).score([query])
    np.testing.assert_allclose(found, exact, atol=0.03)


def test_a_start_from_some_users_leads_to_no_greater_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_dataset(400, 80, 0.15)
    settings = {"n_factors": 8, "unobserved": 0.1, "regularization": 0.05, "exponent": 0.0, "solver": "cg"}
    matrix = data.ratings.matrix(binary=True)

    def loss() -> float:
        movies = ImplicitALS(**settings, iterations=4).fit(data).factors(np.arange(80))[0].astype(np.float64)
        total = 0.0
        for row in matrix.toarray():
            own = movies[row > 0]
            left = own.T @ own + 0.1 * movies.T @ movies + 0.05 * np.eye(8)
            user = np.linalg.solve(left, own.sum(axis=0))
            total += ((1 - own @ user) ** 2).sum() + 0.1 * ((movies @ user) ** 2).sum() + 0.05 * user @ user
        return total + 0.05 * float((movies**2).sum())

    of_all = loss()
    monkeypatch.setattr(ials, "LARGE", 0)
    assert loss() < 1.02 * of_all


def test_large_data_are_learned_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ials.default_solver(ials.LARGE - 1), ials.default_solver(ials.LARGE)) == ("exact", "cg")
    monkeypatch.setattr(ials, "find_spec", lambda _name: None)
    assert ials.default_solver(ials.LARGE) == "exact"


def test_principal_directions() -> None:
    rng = np.random.default_rng(1)
    dense = rng.normal(size=(60, 40)).astype(np.float32)
    found = principal_directions(sp.csr_matrix(dense), 3)
    _, values, right = np.linalg.svd(dense)
    expected = right[:3] * np.sqrt(values[:3])[:, None]
    for direction in range(3):
        cosine = np.abs(found[:, direction] @ expected[direction]) / (expected[direction] @ expected[direction])
        assert cosine == pytest.approx(1, abs=0.05)
    assert principal_directions(sp.csr_matrix((3, 2), dtype=np.float32), 4).shape == (2, 4)
    small = principal_directions(sp.csr_matrix(dense[:2]), 4)
    assert small.shape == (40, 4)
    assert not small[:, 2:].any()


def test_biases_by_hand() -> None:
    """One user, two films, no factors: the equations of ridge regression hold at the fixed point."""
    data = make_dataset([("u", "a", 5, None), ("u", "b", 2, None), ("v", "a", 4, None)])
    model = Stars(n_factors=0, user_damping=1.0, item_damping=1.0).fit(data)
    mean = 11 / 3
    bias = model.state()["biases"]
    user = (5 - mean - bias[0] + 2 - mean - bias[1]) / 3
    scores = model.score([Query(np.array([0, 1]), np.float32([5, 2]))])[0]
    np.testing.assert_allclose(scores, mean + bias + user, rtol=1e-5)
    np.testing.assert_allclose(model.score([Query()])[0], mean + bias, rtol=1e-5)


def test_stars_stay_on_the_scale_and_beat_biases() -> None:
    data = random_dataset(150, 40, 0.4)
    rng = np.random.default_rng(0)
    held = rng.random(len(data.ratings)) < 0.2
    train = data.with_ratings(data.ratings.select(~held))
    users = np.repeat(np.arange(data.ratings.n_users), np.diff(data.ratings.indptr))

    def error(**settings: object) -> float:
        model = Stars(**settings).fit(train)
        histories = (train.ratings.history(user) for user in range(train.ratings.n_users))
        scores = model.score([Query(rows.astype(np.int64), stars) for rows, stars, _ in histories])
        assert scores.min() >= 0.5
        assert scores.max() <= 5.0
        rest = scores[users[held], data.ratings.indices[held]] - data.ratings.values[held]
        return float(np.sqrt(np.mean(rest**2)))

    assert error(n_factors=4) < error(n_factors=0) - 0.05


def test_a_film_without_ratings_gets_the_users_own_mean() -> None:
    movies = [{"movie_id": i, "title": i} for i in "abc"]
    data = make_dataset([("u", "a", 5, None), ("u", "b", 4, None), ("v", "a", 2, None)], movies)
    model = Stars(n_factors=2).fit(data)
    kind, harsh = model.score(
        [Query(np.array([0, 1]), np.float32([5, 5])), Query(np.array([0, 1]), np.float32([1, 1]))]
    )
    assert kind[2] > 11 / 3 > harsh[2]
    assert np.isnan(model.score([Query()])[0, 2])
    query = Query(np.array([0, 1]), np.float32([5, 5]))
    assert model.contributions(query, [2]).sum() == pytest.approx(kind[2] - 11 / 3, abs=1e-3)


def test_ials_lowers_its_own_loss() -> None:
    data = random_dataset(80, 30, 0.3)
    x = data.ratings.matrix(binary=True).toarray().astype(np.float64)

    def loss(sweeps: int) -> float:
        config = {"n_factors": 6, "unobserved": 0.2, "regularization": 0.05, "iterations": sweeps}
        model = ImplicitALS(**config).fit(data)
        q = model.state()["factors"].astype(np.float64)
        histories = (data.ratings.history(user) for user in range(data.ratings.n_users))
        scores = model.score([Query(rows.astype(np.int64), stars) for rows, stars, _ in histories]).astype(np.float64)
        p = scores @ np.linalg.pinv(q.T)
        by_user = 0.05 * (x.sum(axis=1) + 0.2 * x.shape[1])
        by_movie = 0.05 * (x.sum(axis=0) + 0.2 * x.shape[0])
        fit = (x * (1 - scores) ** 2).sum() + 0.2 * (scores**2).sum()
        return float(fit + by_user @ (p**2).sum(axis=1) + by_movie @ (q**2).sum(axis=1))

    losses = [loss(sweeps) for sweeps in (1, 3, 10)]
    assert losses[0] > losses[1] >= losses[2] - 1e-6
