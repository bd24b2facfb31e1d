from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import InvalidInputError, SnapshotError
from matinee.models import Blend, ColdStart, Content, Ease, ImplicitALS, Model, Popularity, Query, default_lineup
from support import make_dataset, random_dataset

FACTORS = 4


def parts(data: Dataset) -> dict[str, Model[Any]]:
    return {
        "ials": ImplicitALS(n_factors=FACTORS, iterations=10).fit(data),
        "ease": Ease(regularization=5.0).fit(data),
        "content": Content().fit(data),
        "popular": Popularity().fit(data),
    }


def with_new_films(unrated: int = 6) -> Dataset:
    """Two tastes, that titles, genres, people and texts tell apart; nobody has rated the last films."""
    data = random_dataset(density=0.35)
    keep = data.ratings.indices < len(data.catalog) - unrated
    rng = np.random.default_rng(3)
    texts = rng.standard_normal((len(data.catalog), 6)).astype(np.float32)
    texts[:, 0] += np.where(np.arange(len(texts)) % 2, 2, -2)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    vectors = {"text": MovieVectors(np.arange(len(texts)), texts)}
    return replace(data.with_ratings(data.ratings.select(keep)), vectors=vectors)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return with_new_films()


@pytest.fixture(scope="module")
def bound(data: Dataset) -> dict[str, Model[Any]]:
    return parts(data)


def fitted(data: Dataset, bound: dict[str, Model[Any]], **settings: Any) -> ColdStart:
    return ColdStart(**settings).bind(bound).fit(data)


def similarity(data: Dataset, content: Model[Any], config: Any) -> np.ndarray[Any, Any]:
    """The kernel by its definition, of all films, in double precision."""
    assert isinstance(content, Content)
    every = np.arange(len(data.catalog))
    years = np.array(data.catalog.column("year"), dtype=np.float64)
    era = np.exp(-np.abs(years[:, None] - years) / config.span)
    words = content.similarity(every, every).astype(np.float64) * content.whole**2
    return words + config.years**2 * era + config.constant**2


def test_factors_against_slow_regressions(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    """New films: one solve. Examples: as many regressions as there are examples, each without one of them."""
    model = fitted(data, bound, min_ratings=4)
    kernel, rows, d = similarity(data, bound["content"], model.config), model.rows, FACTORS
    ials = bound["ials"]
    assert isinstance(ials, ImplicitALS)
    known = ials.factors(rows)[0].astype(np.float64)
    among = kernel[np.ix_(rows, rows)]
    ridge = model.config.regularization * np.diag(among).mean()
    expected = np.full((len(data.catalog), d), np.nan)
    for position, row in enumerate(rows):
        rest = np.delete(np.arange(len(rows)), position)
        weights = np.linalg.solve(among[np.ix_(rest, rest)] + ridge * np.eye(len(rest)), known[rest])
        expected[row] = kernel[row, rows[rest]] @ weights
    others = np.setdiff1d(np.arange(len(data.catalog)), rows)
    weights = np.linalg.solve(among + ridge * np.eye(len(rows)), known)
    expected[others] = kernel[np.ix_(others, rows)] @ weights
    assert len(others) >= 6
    np.testing.assert_allclose(model.state()["factors"], expected, rtol=1e-3, atol=1e-5)


def test_one_example_by_hand() -> None:
    """K = 1 (genre) + 4 (year, ten years apart: 4/e) + ¼, λ = K: q̂ = (1 + 4/e + ¼) / 10½ · q; another genre: less 1."""
    movies: list[dict[str, object]] = [
        {"movie_id": "a", "title": "…", "year": 2000, "genres": ["War"]},
        {"movie_id": "b", "title": "…", "year": 1990, "genres": ["War"]},
        {"movie_id": "c", "title": "…", "genres": ["Comedy"]},
        {"movie_id": "d", "title": "…", "year": 2000},
    ]
    data = make_dataset([(user, "a", 5.0, None) for user in "uvw"], movies)
    bound: dict[str, Model[Any]] = {
        "ials": ImplicitALS(n_factors=1).fit(data),
        "content": Content(genres=1.0, decade=0.0).fit(data),
    }
    model = fitted(data, bound, years=2.0, min_ratings=1)
    ials = bound["ials"]
    assert isinstance(ials, ImplicitALS)
    learnt = float(ials.factors(np.array([0]))[0][0, 0])
    expected = np.array([[0], [(1.25 + 4 / np.e) / 10.5 * learnt], [0.25 / 10.5 * learnt], [np.nan]])
    np.testing.assert_allclose(model.state()["factors"], expected, rtol=1e-5, atol=1e-7)


def test_a_new_film_goes_to_those_of_its_taste(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    model = fitted(data, bound)
    new = np.arange(len(data.catalog) - 6, len(data.catalog))
    for user in range(20):
        scores = model.score([Query.of(data.ratings, f"u{user}")])[0, new]
        assert scores[new % 2 == user % 2].mean() > scores[new % 2 != user % 2].mean()


def test_carrying_is_linear_and_keeps_what_the_factors_span(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    model = fitted(data, bound)
    queries = [Query.of(data.ratings, user) for user in range(4)]
    scores = bound["ials"].score(queries)
    np.testing.assert_allclose(model.transfer(2 * scores), 2 * model.transfer(scores), rtol=1e-4, atol=1e-6)
    ials = bound["ials"]
    assert isinstance(ials, ImplicitALS)
    for query, row, carried in zip(queries, scores, model.transfer(scores), strict=True):
        user = np.linalg.lstsq(ials.factors(model.rows)[0], row[model.rows], rcond=None)[0]
        np.testing.assert_allclose(carried, model.state()["factors"] @ user, rtol=1e-3, atol=1e-5)
        shares = model.contributions(query, range(len(data.catalog)))
        np.testing.assert_allclose(shares.sum(axis=1), carried, rtol=1e-3, atol=1e-5)
    assert np.isnan(model.transfer(np.full((1, len(data.catalog)), np.nan, dtype=np.float32))).all()


def test_films_added_and_edited_while_serving(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    """A copy of a film under another id is placed as that film; the text of an edited film moves it."""
    model = fitted(data, bound)
    n, row = len(data.catalog), len(data.catalog) - 1
    twin = data.catalog.movie(row).model_copy(update={"movie_id": "twin"})
    catalog = data.catalog.with_changes([twin, data.catalog.movie(row - 1), Movie(movie_id="blank", title="…")])
    texts = data.vectors["text"].vectors
    put = {"text": MovieVectors(np.array([row - 1, n]), np.stack([texts[row], texts[row]]))}
    query = Query.of(data.ratings, 3)
    before = model.score([query])[0]
    grown = [
        model.with_catalog(catalog, put),
        model.bind({**bound, "content": bound["content"].with_catalog(catalog, put)}).with_catalog(catalog, put),
    ]
    for found in (one.score([query])[0] for one in grown):
        np.testing.assert_allclose(found[n], before[row], rtol=1e-4)
        np.testing.assert_array_equal(np.delete(found[:n], row - 1), np.delete(before, row - 1))
        assert found[row - 1] != before[row - 1]
        assert np.isnan(found[n + 1])
    plain = model.with_catalog(catalog).score([query])[0]
    assert np.isfinite(plain[n])
    assert plain[row - 1] == pytest.approx(before[row - 1], rel=1e-4), "without word of its text it keeps that it had"
    assert model.n_items == n


def blended(data: Dataset, bound: dict[str, Model[Any]], **settings: Any) -> Blend:
    every = {**bound, "coldstart": fitted(data, bound)}
    return Blend(weights={"ials": 1.0, "ease": 1.0}, mapping="coldstart", **settings).bind(every).fit(data)


def test_a_blend_with_a_mapping_places_new_films(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    new = np.arange(len(data.catalog) - 6, len(data.catalog))
    queries = [Query.of(data.ratings, f"u{user}") for user in range(20)]
    plain = Blend(weights={"ials": 1.0, "ease": 1.0}).bind(bound).fit(data).score(queries)
    model = blended(data, bound)
    scores = model.score(queries)
    old = np.delete(np.arange(scores.shape[1]), new)
    np.testing.assert_array_equal(scores[:, old], plain[:, old])
    assert np.isfinite(scores[:, new]).all()
    for user, row in enumerate(scores):
        assert row[new][new % 2 == user % 2].mean() > row[new][new % 2 != user % 2].mean()
    wider = blended(data, bound, spread=3.0).score(queries)
    np.testing.assert_allclose(wider[:, new], 2 * scores[:, new], rtol=1e-3, atol=1e-4)


def test_the_mixture_by_hand(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    """Both guesses standardised over the examples, their weighted mean regressed on the blend at unseen examples."""
    model = blended(data, bound, mapping_share=0.25, spread=1.0)
    query, mapping = Query.of(data.ratings, 7), fitted(data, bound)
    warm = Blend(weights={"ials": 1.0, "ease": 1.0}, content=None).bind(bound).fit(data).score([query])
    examples = mapping.rows
    total = np.zeros(len(data.catalog))
    for share, found in ((0.25, mapping.transfer(warm)[0]), (0.75, bound["content"].score([query])[0])):
        total += share * (found - found[examples].mean()) / found[examples].std()
    unseen = np.setdiff1d(examples, query.rows)
    slope, offset = np.polyfit(total[unseen].astype(np.float64), warm[0, unseen].astype(np.float64), 1)
    new = np.arange(len(data.catalog) - 6, len(data.catalog))
    np.testing.assert_allclose(model.score([query])[0, new], max(slope, 0) * total[new] + offset, rtol=1e-3, atol=1e-3)
    only = blended(data, bound, mapping_share=1.0, content=None).score([query])[0, new]
    np.testing.assert_allclose(
        only, blended(data, bound, mapping_share=1.0).score([query])[0, new], rtol=1e-3, atol=1e-4
    )


def test_reasons_for_a_new_film(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    """A film of the history more or less changes a guess about as its share says, all scales kept."""
    model = blended(data, bound)
    query = Query.of(data.ratings, "u5")
    new = [len(data.catalog) - 1, len(data.catalog) - 2, 0]
    shares = model.contributions(query, new)
    assert shares.shape == (3, len(query))
    like, unlike = (data.catalog.column("movie_id")[row] for row in new[:2])
    assert (int(like[1:]) % 2, int(unlike[1:]) % 2) == (1, 0)
    assert shares[0].sum() > shares[1].sum(), "user 5 likes odd films"
    plain = Blend(weights={"ials": 1.0, "ease": 1.0}).bind(bound).fit(data)
    np.testing.assert_allclose(shares[2], plain.contributions(query, [0])[0], rtol=1e-5, atol=1e-6)


def test_users_whom_content_does_not_know(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    """Somebody who rated only films without words is placed by the mapping alone."""
    silent = {name: 0.0 for name in Content.Config.model_fields if name not in ("neutral", "half_life", "text")}
    kept = data.vectors["text"].without(np.array([0]))
    some = {**bound, "content": Content(**silent).fit(replace(data, vectors={"text": kept}))}
    query = Query(np.array([0]), np.float32([5]))
    assert not some["content"].knows(query)
    new = slice(len(data.catalog) - 6, None)
    found = blended(data, some).score([query])[0, new]
    alone = blended(data, some, mapping_share=1.0, content=None).score([query])[0, new]
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)
    assert np.isfinite(found).all()


def test_parts_of_another_kind_are_refused(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    with pytest.raises(SnapshotError, match="content"):
        ColdStart().bind({"ials": bound["ials"]})
    with pytest.raises(InvalidInputError, match="ials and a content"):
        ColdStart(taste="ease").bind(bound)
    with pytest.raises(InvalidInputError, match="popular is not a cold-start"):
        Blend(weights={"ials": 1.0}, mapping="popular").bind(bound)
    smaller = Blend(weights={"ials": 1.0}, mapping="coldstart").without(["coldstart"])
    assert smaller is not None
    assert smaller.config.mapping is None
    assert ColdStart().without(["ials"]) is None


def test_no_examples_no_mapping(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    nothing = fitted(data, bound, min_ratings=10_000)
    query = Query.of(data.ratings, 0)
    assert not nothing.knows(query)
    assert np.isnan(nothing.score([query])).all()
    every = {**bound, "coldstart": nothing}
    found = Blend(weights={"ials": 1.0}, mapping="coldstart").bind(every).fit(data).score([query])
    np.testing.assert_array_equal(found, Blend(weights={"ials": 1.0}).bind(bound).fit(data).score([query]))


def test_means_are_taken_over_an_even_sample_of_many_examples(data: Dataset, bound: dict[str, Model[Any]]) -> None:
    few = fitted(data, bound)
    np.testing.assert_array_equal(few.sample, few.rows)
    many = make_dataset([("u", f"m{n:04}", 4.0, None) for n in range(2500)])
    state = {
        "items": np.arange(0, 2500, dtype=np.int64),
        "factors": np.ones((2500, 2), dtype=np.float32),
        "weights": np.ones((2500, 2), dtype=np.float32),
        "reader": np.ones((2500, 2), dtype=np.float32),
    }
    sample = ColdStart.from_state(few.config, state, many.catalog).sample
    assert len(sample) == 1000
    assert sample[0] == 0
    assert sample[-1] == 2499
    assert set(np.diff(sample)) == {2, 3}


def test_the_lineup_maps_where_there_are_vectors(data: Dataset) -> None:
    assert "coldstart" not in default_lineup(replace(data, vectors={}))
    assert default_lineup(replace(data, vectors={}))["blend"].config.mapping is None
    lineup = default_lineup(data)
    done: dict[str, Model[Any]] = {}
    for name, model in lineup.items():
        assert set(model.parts) <= set(done)
        done[name] = (model.bind(done) if model.parts else model).fit(data)
    assert np.isfinite(done["blend"].score([Query.of(data.ratings, 0)])).all()
