"""Any data trains: what every model passes on data that are hardly any."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from degenerate import DEGENERATE, with_vectors
from matinee.data.dataset import Dataset
from matinee.models import MODELS, BayesianStars, Model, Query, default_lineup
from support import random_dataset

SWEEPS = 40
EAGER: dict[str, dict[str, Any]] = {
    "ease": {"min_ratings": 1},
    "slim": {"min_ratings": 1},
    "higherease": {"min_ratings": 1},
    "coldstart": {"min_ratings": 1},
    "blend": {"weights": {"ease": 0.6, "itemknn": 0.4}, "popular": "popularity"},
    "recommendernet": {"dim": 4, "epochs": 2, "members": 1},
    "multvae": {"hidden": 8, "latent": 4, "epochs": 2},
    "recvae": {"hidden": 8, "latent": 4, "epochs": 2, "encoder_passes": 1},
    "ncf": {"hidden": 8, "latent": 4, "epochs": 2},
    "bayes": {"sweeps": SWEEPS},
}
"""Models that learn every film that has a rating: the line-up leaves rare ones out, and with them the trouble. Networks
are small, and little trained; the Markov chain is short."""

OF_DECOMPOSITIONS = ("200 users and 150 films of equal ratings", "two crowds of one mind each")
"""Large, for the sake of models that decompose matrices. Networks are compiled for each number of films anew, so they
are trained on all cases but these."""

NEURAL = {"recommendernet": "keras", "multvae": "jax", "recvae": "jax", "ncf": "jax"}
"""The package of the extra `neural` that each is trained with."""

FROM_CONTENT = ("content", "coldstart")
"""Models that know nothing of films without words, rated or not."""

LINEUP = list(default_lineup(with_vectors(random_dataset())))
KINDS = [*(f"line-up's {name}" for name in LINEUP), *MODELS]
PAIRS = [(kind, case) for kind in KINDS for case in DEGENERATE if kind not in NEURAL or case not in OF_DECOMPOSITIONS]


@functools.cache
def dataset_of(case: str) -> Dataset:
    return with_vectors(DEGENERATE[case]())


@functools.cache
def unfitted(kind: str, case: str) -> Model[Any] | None:
    """The model, its parts fitted; None where the line-up leaves it out for these data."""
    if kind not in MODELS:
        lineup = default_lineup(dataset_of(case))
        name = kind.removeprefix("line-up's ")
        if name not in lineup:
            return None
        model = lineup[name]
        if isinstance(model, BayesianStars):
            model = BayesianStars(model.config.model_copy(update={"sweeps": SWEEPS}))
        parts = {part: f"line-up's {part}" for part in model.parts}
    else:
        model = MODELS[kind](**EAGER.get(kind, {}))
        parts = {part: part for part in model.parts}
    return model.bind({part: fitted(other, case) for part, other in parts.items()}) if parts else model


@functools.cache
def fitted(kind: str, case: str) -> Model[Any]:
    if kind in NEURAL and find_spec(NEURAL[kind]) is None:
        pytest.skip("needs matinee[neural]")
    model = unfitted(kind, case)
    if model is None:
        pytest.skip("not in the line-up of these data")
    # `fit` returns the model that it was called on: one that is fitted again must be another.
    return model._copy().fit(dataset_of(case))


def costly(kind: str) -> list[pytest.MarkDecorator]:
    """Of the models that a seed draws, which take most of the time, one is always tested."""
    return [pytest.mark.extended] if kind in NEURAL and kind != "multvae" else []


@pytest.fixture(params=[pytest.param(pair, marks=costly(pair[0])) for pair in PAIRS], ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def kind(pair: tuple[str, str]) -> str:
    return pair[0]


@pytest.fixture
def case(pair: tuple[str, str]) -> str:
    return pair[1]


@pytest.fixture
def dataset(case: str) -> Dataset:
    return dataset_of(case)


@pytest.fixture
def model(kind: str, case: str) -> Model[Any]:
    return fitted(kind, case)


def queries_of(dataset: Dataset) -> list[Query]:
    """A few users of the data, somebody new with one film, with the rest of the films, and nobody."""
    n, high = len(dataset.catalog), dataset.scale[1]
    known = [Query.of(dataset.ratings, user) for user in range(min(dataset.ratings.n_users, 3))]
    last, all_ = np.array([n - 1]), np.arange(n)
    new = [Query(rows, np.full(len(rows), high, dtype=np.float32)) for rows in (last, all_)]
    return [*known, *new, Query()]


def test_scores(model: Model[Any], dataset: Dataset) -> None:
    queries = queries_of(dataset)
    scores = model.score(queries)
    assert scores.shape == (len(queries), len(dataset.catalog)) == (len(queries), model.n_items)
    assert scores.dtype == np.float32
    assert not np.isinf(scores).any()
    for query, row in zip(queries, scores, strict=True):
        np.testing.assert_allclose(model.score([query])[0], row, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.score_rows(query, np.arange(len(row))), row, rtol=1e-4, atol=1e-5)
        if not model.predicts_stars:
            assert model.knows(query) == bool(np.isfinite(row).any())
        assert len(model.top(query, 5)) == min(5, int(np.isfinite(np.delete(row, query.rows)).sum()))
    if model.predicts_stars:
        known = scores[np.isfinite(scores)]
        assert ((known >= dataset.scale[0]) & (known <= dataset.scale[1])).all()
    # Whoever is known gets a score for the same films as everybody else who is.
    missing = np.isnan(scores[[model.knows(query) and model.fallback(query) is None for query in queries]])
    assert (missing == missing[:1]).all()


@pytest.mark.parametrize(
    "pair",
    [pytest.param(pair, marks=costly(pair[0])) for pair in PAIRS if pair[0] in MODELS and pair[0] not in FROM_CONTENT],
    ids="-".join,
    indirect=True,
)
def test_a_film_that_somebody_rated_has_a_score(model: Model[Any], dataset: Dataset) -> None:
    """Of models that learn from every rating."""
    rated = dataset.ratings.counts > 0
    query = Query.of(dataset.ratings, 0)
    assert model.knows(query)
    assert np.isfinite(model.score([query])[0, rated]).all()


def test_shares_and_likeness_are_finite(model: Model[Any], dataset: Dataset) -> None:
    rows = np.arange(len(dataset.catalog))
    for query in queries_of(dataset):
        shares = model.contributions(query, rows.tolist())
        if shares is not None:
            assert shares.shape == (len(rows), len(query))
            assert np.isfinite(shares).all()
    likeness = model.similar(rows[:2].tolist())
    if likeness is not None:
        assert likeness.shape == (min(len(rows), 2), len(rows))
        assert not np.isinf(likeness).any()


def test_fitted_again_or_saved_and_loaded_it_is_the_same(
    kind: str, case: str, model: Model[Any], dataset: Dataset
) -> None:
    again = unfitted(kind, case)
    assert again is not None
    _equal(model.state(), again._copy().fit(dataset).state())
    config = type(model).Config.model_validate_json(model.config.model_dump_json())
    loaded = type(model).from_state(config, model.state(), dataset.catalog)
    if model.parts:
        prefix = "" if kind in MODELS else "line-up's "
        loaded = loaded.bind({part: fitted(prefix + part, case) for part in model.parts})
    queries = queries_of(dataset)
    np.testing.assert_array_equal(model.score(queries), loaded.score(queries))
    _equal(model.state(), loaded.state())


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
