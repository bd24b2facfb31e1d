"""Bayesian stars: the sampler against slow references, folding in by hand, intervals, films without ratings, time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.models import BayesianStars, Content, Query
from matinee.models.bayesian.gibbs import Features, gibbs, wishart
from matinee.models.bayesian.kernels import sample_rows
from matinee.models.bayesian.model import default_sweeps
from matinee.models.bayesian.side_features import SideFeatures
from matinee.models.bayesian.time_effect import TimeEffect
from support import make_dataset, random_dataset


def fit(data: Dataset, **settings: Any) -> BayesianStars:
    return BayesianStars(content=None, **{"n_factors": 3, "sweeps": 150, **settings}).fit(data)


def planted(n_users: int = 150, n_items: int = 60, density: float = 0.4, noise: float = 0.4) -> tuple[Dataset, Any]:
    """Stars of biases and two factors and noise, not rounded, and the stars without noise, (n_users, n_items)."""
    rng = np.random.default_rng(11)
    truth = 3 + 0.3 * rng.standard_normal((n_users, 1)) + 0.4 * rng.standard_normal(n_items)
    truth += 0.5 * rng.standard_normal((n_users, 2)) @ rng.standard_normal((2, n_items))
    seen = np.argwhere(rng.random(truth.shape) < density)
    stars = truth[seen[:, 0], seen[:, 1]] + noise * rng.standard_normal(len(seen))
    rows = [(f"u{u:03}", f"m{i:03}", float(star), None) for (u, i), star in zip(seen, stars, strict=True)]
    return replace(make_dataset(rows), scale=(-5.0, 11.0)), truth


def test_rows_are_drawn_from_their_conditional_distribution() -> None:
    """Mean and covariance of many draws of one row, against the formula solved densely."""
    rng = np.random.default_rng(1)
    w, n, draws = 3, 7, 20_000
    design = rng.standard_normal((n, w))
    targets, alpha, biases = rng.standard_normal(n), rng.random(n) + 0.5, rng.standard_normal(n)
    prior, root = rng.standard_normal(w), rng.standard_normal((w, w))
    precision = root @ root.T + np.eye(w)
    covariance = np.linalg.inv(precision + (design.T * alpha) @ design)
    mean = covariance @ (precision @ prior + design.T @ (alpha * targets))
    rows = np.empty((draws, w))
    sample_rows(
        0,
        draws,
        np.arange(draws + 1, dtype=np.int32) * n,
        np.tile(np.arange(n, dtype=np.int32), draws),
        np.tile(targets + biases, draws),
        biases,
        alpha,
        False,
        design.astype(np.float32),
        np.tile(precision @ prior, (draws, 1)),
        precision,
        rng.standard_normal((draws, w)),
        rows,
    )
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=5 * np.sqrt(covariance.max() / draws))
    np.testing.assert_allclose(np.cov(rows.T), covariance, atol=0.02)


def test_wishart_has_its_mean() -> None:
    scatter = np.array([[2.0, 0.5], [0.5, 1.0]])
    rng = np.random.default_rng(2)
    mean = np.mean([wishart(rng, 9, scatter) for _ in range(20_000)], axis=0)
    np.testing.assert_allclose(mean, 9 * np.linalg.inv(scatter), rtol=0.03)


def test_the_chain_finds_planted_weights_of_features() -> None:
    """Movies' biases are 0.8 times a feature; users have none."""
    rng = np.random.default_rng(3)
    n_users, n_items = 200, 80
    feature = rng.standard_normal(n_items)
    seen = rng.random((n_users, n_items)) < 0.3
    stars = 3 + 0.8 * feature + 0.3 * rng.standard_normal((n_users, n_items))
    ratings = sp.csr_matrix(np.where(seen, stars, 0).astype(np.float32))
    users = Features(np.ones((n_users, 1)), np.zeros(1, dtype=np.int64))
    movies = Features(np.column_stack([np.ones(n_items), feature]), np.array([0, 1]))
    chain = list(gibbs(ratings, 3.0, users, movies, n_factors=2, sweeps=80, noise_prior=8.0, seed=0))
    weights = np.mean([sample.movie_weights[1, 0] for sample in chain[20:]])
    assert weights == pytest.approx(0.8, abs=0.08)
    assert np.mean([sample.noise for sample in chain[20:]]) == pytest.approx(0.09, rel=0.25)


def test_threads_do_not_change_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_dataset()
    first = fit(data).state()
    monkeypatch.setattr("matinee.models.bayesian.gibbs._CHUNKS", 1)
    for name, values in fit(data).state().items():
        np.testing.assert_array_equal(values, first[name])


def test_folding_in_is_the_mean_over_the_samples() -> None:
    """The slow way: for each sample one dense system, with the noise updated as the docstring says."""
    data = random_dataset()
    model = fit(data, n_samples=5, rank=100)
    query = Query.of(data.ratings, 4)
    state = model.state()
    s, w = 5, 4
    samples = state["samples"].astype(np.float64).reshape(-1, s, w)
    x = model._features.of_user(query.rows)
    mean = float(state["mean_scale"][0])
    expected = np.zeros(model.n_items)
    share = 5 / (5 + len(query))
    priors, precisions = model._prior.at(len(query), x)
    for number in range(s):
        movies = samples[:, number]
        design = movies[query.rows].copy()
        targets = query.ratings - mean - share * state["raters"][query.rows] - design[:, 0]
        design[:, 0] = 1
        precision, noise0 = precisions[number].astype(np.float64), float(state["noise"][number])
        prior = priors[number].astype(np.float64)
        noise, user, covariance = noise0, prior, np.zeros((w, w))
        for round_ in range(2):
            if round_:
                left = targets - design @ user
                squares = left @ left + np.trace(design.T @ design @ covariance)
                noise = (model.config.noise_prior * noise0 + squares) / (model.config.noise_prior + len(query))
            covariance = np.linalg.inv(precision + design.T @ design / noise)
            user = covariance @ (precision @ prior + design.T @ targets / noise)
        expected += (mean + user[0] + movies[:, 0] + movies[:, 1:] @ user[1:]) / s
    expected += share * state["raters"]
    np.testing.assert_allclose(model.score([query])[0], np.clip(expected, *data.scale), atol=2e-3)


def test_planted_factors_are_found_and_intervals_hold_what_they_say() -> None:
    data, truth = planted()
    model = fit(data, sweeps=300, n_factors=4)
    ids = data.catalog.column("movie_id")
    columns = np.array([int(movie_id[1:]) for movie_id in ids])
    errors, inside, n = 0.0, 0, 0
    rng = np.random.default_rng(5)
    for user in range(0, 150, 3):
        query = Query.of(data.ratings, user)
        rows = np.setdiff1d(np.arange(len(ids)), query.rows)
        actual = truth[int(str(query.user_id)[1:]), columns[rows]]
        stars = model.score_rows(query, rows)
        errors += float(np.square(stars - actual).sum())
        given = actual + 0.4 * rng.standard_normal(len(rows))
        lower, upper = model.score_intervals(query, rows)
        inside, n = inside + int(((given >= lower) & (given <= upper)).sum()), n + len(rows)
    assert np.sqrt(errors / n) < 0.3
    assert 0.85 < inside / n < 0.95


def test_wider_for_higher_probability_and_for_less_known() -> None:
    data, _ = planted()
    model = fit(data)
    query, rows = Query.of(data.ratings, 0), np.arange(20)
    lower, upper = model.score_intervals(query, rows)
    wide = model.score_intervals(query, rows, level=0.99)
    assert (wide[0] < lower).all()
    assert (wide[1] > upper).all()
    nobody = model.score_intervals(Query(), rows)
    assert (nobody[1] - nobody[0]).mean() > (upper - lower).mean()


def test_a_movie_without_ratings_is_placed_by_its_contents() -> None:
    """Two tastes, told apart by genre: a new film of the loved genre gets more stars than one of the other."""
    data = random_dataset(n_users=150, density=0.5)
    content = Content().fit(data)
    model = BayesianStars(n_factors=4, sweeps=200).bind({"content": content}).fit(data)
    new = [
        Movie(
            movie_id=old + "-new",
            **{**data.catalog.movie(data.catalog.row(old)).model_dump(exclude={"movie_id"}), "year": 2001},
        )
        for old in ("m0", "m1")
    ]
    grown = model.with_catalog(data.catalog.with_changes(new))
    histories = [Query.of(data.ratings, user) for user in range(data.ratings.n_users)]
    stars = grown.score(histories)
    even = np.array([int(user[1:]) % 2 == 0 for user in data.ratings.user_ids.to_list()])
    more = stars[:, -2] - stars[:, -1]  # even users love the dramas, odd ones the comedies
    # Of all users of a taste: how much it is for one differs with the sampling, and so with the processor's sums.
    assert more[even].mean() > 0.2
    assert more[~even].mean() < -0.2
    np.testing.assert_allclose(stars[:, :-2], model.score(histories), rtol=1e-5)


def test_an_edited_movie_without_ratings_is_placed_anew_and_a_rated_one_stays() -> None:
    """A film comes as a drama and is corrected to a comedy: it gets the stars of one that came so."""
    data = random_dataset(n_users=150, density=0.5)
    content = Content().fit(data)
    model = BayesianStars(n_factors=4, sweeps=60).bind({"content": content}).fit(data)
    drama, comedy = (
        {**data.catalog.movie(data.catalog.row(name)).model_dump(exclude={"movie_id"}), "year": 2001}
        for name in ("m0", "m1")
    )
    catalog = data.catalog.with_changes([Movie(movie_id="right", **comedy), Movie(movie_id="wrong", **drama)])
    grown = model.with_catalog(catalog)
    assert (grown.state()["spread"][-2:] > 0).all()
    edited = catalog.with_changes([Movie(movie_id="wrong", **comedy), Movie(movie_id="m2", **drama)])
    described = content.with_catalog(catalog).with_catalog(edited)
    changed = grown.bind({"content": described}).with_catalog(edited)
    query = Query.of(data.ratings, 0)
    before, after = grown.score([query])[0], changed.score([query])[0]
    assert before[-1] > before[-2] + 0.1
    assert after[-1] == pytest.approx(after[-2], abs=1e-3)
    row = data.catalog.row("m2")
    np.testing.assert_array_equal(changed.state()["samples"][row], model.state()["samples"][row])


def test_who_has_rated_nothing_gets_about_what_movies_get() -> None:
    """Not worse than the movies' means on users who were held out."""
    data = random_dataset(n_users=200, density=0.35)
    keep = np.arange(len(data.ratings)) < int(data.ratings.indptr[150])
    train = data.with_ratings(data.ratings.select(keep))
    counts, sums = train.ratings.counts, train.ratings.sums
    stars = fit(train).score([Query()])[0]
    rows, values = data.ratings.indices[~keep], data.ratings.values[~keep]
    known = counts[rows] > 0
    means = sums[rows[known]] / counts[rows[known]]
    assert np.sqrt(np.mean((stars[rows[known]] - values[known]) ** 2)) <= 1.01 * np.sqrt(
        np.mean((means - values[known]) ** 2)
    )


def test_features_of_a_known_user_are_those_of_training() -> None:
    data = random_dataset()
    matrix = data.ratings.matrix()
    features, users, movies = SideFeatures.of(matrix, data.catalog.years, None)
    for user in (0, 7):
        np.testing.assert_allclose(features.of_user(Query.of(data.ratings, user).rows), users.matrix[user], atol=1e-4)
    assert movies.matrix.shape == features.movies.shape
    assert features.of_user(np.zeros(0, dtype=np.int64)).tolist() == [1.0] + [0.0] * (users.matrix.shape[1] - 1)


def test_time_effect_is_that_of_a_gaussian_process() -> None:
    """Two ratings in the same second, one at the same moment: by hand, c·(K + I)⁻¹·errors with c = K = 0.2."""
    effect = TimeEffect(variances=(0.2, 0.0), spans=(10.0, 1.0))
    times, errors = np.array([100, 100]), np.array([1.0, 0.5], dtype=np.float32)
    found = effect.effect(times, errors, np.array([100, 10_000, NO_TIME]))
    np.testing.assert_allclose(found, [0.2 * 1.5 / 1.4, 0.0, 0.0], atol=1e-6)
    later = effect.effect(times, errors, np.array([110]))
    np.testing.assert_allclose(later, [np.exp(-1) * 0.2 * 1.5 / 1.4], atol=1e-6)


def test_time_effect_of_a_long_history_is_nearly_that_of_all_of_it() -> None:
    """A few ratings a minute over hours: the window holds what counts."""
    rng = np.random.default_rng(4)
    effect = TimeEffect()
    times = np.sort(rng.integers(0, 50_000, 300))
    moments = times.astype(np.float64)
    errors, asked = rng.standard_normal(300).astype(np.float32), rng.integers(0, 50_000, 40)
    kernel = effect._kernel
    weights = np.linalg.solve(kernel(moments[:, None] - moments) + np.eye(300), errors)
    np.testing.assert_allclose(
        effect.effect(times, errors, asked), kernel(asked[:, None] - moments) @ weights, atol=0.02
    )


def test_time_effect_needs_times_of_both_sides() -> None:
    effect = TimeEffect()
    unknown = effect.effect(np.array([NO_TIME, NO_TIME]), np.ones(2, dtype=np.float32), np.array([5]))
    assert unknown.tolist() == [0.0]
    assert effect.effect(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32), np.array([5])).tolist() == [0.0]


def test_stars_at_a_time_lean_as_those_given_then() -> None:
    """All that somebody rated in one minute got two stars more than elsewhere."""
    data, _ = planted()
    model = fit(data)
    query = Query.of(data.ratings, 3)
    times = np.arange(len(query), dtype=np.int64) * 1_000_000
    times[:5] = times[0] + np.arange(5)
    stars = query.ratings.copy()
    stars[:5] += 2
    moody = Query(query.rows, stars, times)
    rows = np.setdiff1d(np.arange(model.n_items), query.rows)[:4]
    then, other = np.full(4, 3, dtype=np.int64), np.full(4, int(times[-1]) + 500_000, dtype=np.int64)
    assert (model.score_at(moody, rows, then) > model.score_rows(moody, rows) + 0.2).all()
    np.testing.assert_allclose(model.score_at(moody, rows, other), model.score_rows(moody, rows), atol=1e-3)


@pytest.mark.parametrize(("n", "sweeps"), [(0, 130), (100_000, 130), (200_000, 91), (10_000_000, 80)])
def test_longer_chains_for_fewer_ratings(n: int, sweeps: int) -> None:
    assert default_sweeps(n) == sweeps


def test_a_draft_is_shorter_and_keeps_the_other_settings() -> None:
    draft = BayesianStars(content=None, n_factors=5, sweeps=500).draft()
    assert (draft.config.n_factors, draft.config.content) == (5, None)
    assert draft.config.sweeps is not None
    assert draft.config.sweeps < 160


def test_without_contents_it_says_what_to_do() -> None:
    from matinee.errors import MatineeError

    with pytest.raises(MatineeError, match="bind"):
        BayesianStars().fit(random_dataset())
