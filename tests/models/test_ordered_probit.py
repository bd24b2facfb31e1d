"""The ordered probit: its arithmetic against slow references, and Bayesian stars with it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, truncnorm

from matinee.data.dataset import Dataset
from matinee.models import BayesianStars, Query
from matinee.models.bayesian.ordered_probit import MAX_LEVELS, OrderedProbit
from support import make_dataset, random_dataset

STARS = np.repeat([1.0, 2.0, 3.5, 5.0], [10, 30, 40, 20])


@pytest.fixture(scope="module")
def probit() -> OrderedProbit:
    return OrderedProbit.of(STARS)


def test_the_marginal_has_the_frequencies_of_the_stars(probit: OrderedProbit) -> None:
    shares = np.diff(norm.cdf([-np.inf, *probit.cuts, np.inf], STARS.mean(), STARS.std()))
    np.testing.assert_allclose(shares, [0.1, 0.3, 0.4, 0.2])
    assert probit.scores @ shares == pytest.approx(STARS.mean())
    assert (np.diff(probit.scores) > 0).all()


def test_expected_values_against_integrals(probit: OrderedProbit) -> None:
    mean, deviation = 2.7, 0.8
    edges = [-20.0, *probit.cuts, 20.0]
    found = probit.expected(np.arange(4), np.full(4, mean), np.full(4, deviation))
    for level, (low, high) in enumerate(pairwise(edges)):
        mass = quad(lambda z: norm.pdf(z, mean, deviation), low, high)[0]
        moment = quad(lambda z: z * norm.pdf(z, mean, deviation), low, high)[0]
        assert found[level] == pytest.approx(moment / mass, abs=1e-6)


def test_expected_stars_against_the_levels_probabilities(probit: OrderedProbit) -> None:
    latent = np.linspace(-3, 8, 23)
    for deviation in (0.3, 1.0):
        edges = np.array([-np.inf, *probit.cuts, np.inf])
        slow = [probit.levels @ np.diff(norm.cdf(edges, value, deviation)) for value in latent]
        np.testing.assert_allclose(probit.stars(latent, deviation), slow, atol=2e-3)


def test_draws_are_of_the_truncated_distribution(probit: OrderedProbit) -> None:
    rng, n = np.random.default_rng(0), 20_000
    for level in range(4):
        low, high = (float(edge[0]) for edge in probit.bounds(np.array([level])))
        draws = probit.draw(rng, np.full(n, level), np.full(n, 3.0), np.full(n, 0.7))
        assert ((draws >= low) & (draws <= high)).all()
        slow = truncnorm((low - 3) / 0.7, (high - 3) / 0.7, 3, 0.7)
        assert draws.mean() == pytest.approx(slow.mean(), abs=0.02)
        assert draws.std() == pytest.approx(slow.std(), abs=0.02)


def test_far_from_a_level_everything_stays_finite(probit: OrderedProbit) -> None:
    rng, levels = np.random.default_rng(0), np.array([0, 3])
    for mean in (-100.0, 100.0):
        means, deviations = np.full(2, mean), np.full(2, 0.1)
        assert np.isfinite(probit.draw(rng, levels, means, deviations)).all()
        assert np.isfinite(probit.expected(levels, means, deviations)).all()
    assert probit.stars(np.array([-100.0, 100.0]), 0.1).tolist() == [1.0, 5.0]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> BayesianStars:
    return BayesianStars(content=None, n_factors=3, sweeps=60, link="probit").fit(dataset)


def test_scores_are_stars(dataset: Dataset, model: BayesianStars) -> None:
    queries = [Query.of(dataset.ratings, 0), Query.of(dataset.ratings, 1), Query()]
    scores = model.score(queries)
    assert ((scores >= dataset.scale[0]) & (scores <= dataset.scale[1])).all()
    for query, row in zip(queries, scores, strict=True):
        rows = np.arange(len(row))
        np.testing.assert_allclose(model.score_rows(query, rows), row, rtol=1e-4, atol=1e-4)
        lower, upper = model.score_intervals(query, rows)
        given = np.unique(dataset.ratings.values)
        assert np.isin(lower, given).all()
        assert np.isin(upper, given).all()
        assert (lower <= upper).all()


def test_a_high_rating_raises_what_is_expected(dataset: Dataset, model: BayesianStars) -> None:
    low, high = dataset.scale
    rows = np.array([0, 1, 2])
    glad, sad = (Query(rows, np.full(3, stars, dtype=np.float32)) for stars in (high, low))
    assert model.score([glad])[0].mean() > model.score([sad])[0].mean()


def test_saved_and_loaded_it_is_the_same(dataset: Dataset, model: BayesianStars) -> None:
    config = BayesianStars.Config.model_validate_json(model.config.model_dump_json())
    loaded = BayesianStars.from_state(config, model.state(), dataset.catalog)
    queries = [Query.of(dataset.ratings, 0), Query()]
    np.testing.assert_array_equal(model.score(queries), loaded.score(queries))


def test_too_many_levels_are_numbers() -> None:
    values = np.random.default_rng(0).uniform(0, 5, 2 * MAX_LEVELS)
    many = make_dataset([(f"u{n % 9}", f"m{n}", float(value), None) for n, value in enumerate(values)])
    assert "link=identity" in str(BayesianStars(content=None, link="probit").unsuited(many))
    assert BayesianStars(content=None).unsuited(many) is None


def test_of_levels_that_are_unevenly_spaced_it_makes_more() -> None:
    """Stars that are mostly 5: as numbers, they say little of how much better the best movies are."""
    rng = np.random.default_rng(5)
    latent = 0.6 * rng.standard_normal((150, 1)) + 0.9 * rng.standard_normal(60)
    seen = np.argwhere(rng.random(latent.shape) < 0.4)
    given = latent[seen[:, 0], seen[:, 1]] + 0.2 * rng.standard_normal(len(seen))
    stars = 1.0 + np.searchsorted([-1.2, -1.0, -0.8, 0.0], given)
    held_out = rng.random(len(seen)) < 0.2
    rows = [(f"u{u:03}", f"m{i:03}", float(star), None) for (u, i), star in zip(seen, stars, strict=True)]
    known = make_dataset([row for row, out in zip(rows, held_out, strict=True) if not out])
    errors = {}
    for link in ("identity", "probit"):
        model = BayesianStars(content=None, n_factors=2, sweeps=100, link=link).fit(known)
        scores = model.score([Query.of(known.ratings, user) for user in range(150)])
        predicted = scores[seen[held_out, 0], seen[held_out, 1]]
        errors[link] = float(np.sqrt(np.mean(np.square(predicted - stars[held_out]))))
    assert errors["probit"] < 0.97 * errors["identity"], errors
