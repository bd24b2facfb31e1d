from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.models import Blend, ColdStart, Content, Ease, GraphFilter, ImplicitALS, Model, Popularity, Query, Stars
from matinee.models.base import Subset
from matinee.models.blend import shortlist
from matinee.models.calibration import Reranker, log_scores
from matinee.models.preference import StarScale
from support import random_dataset

WEIGHTS = {"ease": 0.4, "ials": 0.3, "graph": 0.2, "content": 0.2, "stars": 0.1, "popular": 0.1}
SIZE = 60


@pytest.fixture(scope="module")
def data() -> Dataset:
    """400 movies, every eighth of them without ratings, with vectors of texts."""
    data = random_dataset(n_users=120, n_items=400, density=0.05)
    texts = np.random.default_rng(3).standard_normal((400, 6)).astype(np.float32)
    texts[:, 0] += np.where(np.arange(400) % 2, 2, -2)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    rated = data.ratings.select(data.ratings.indices % 8 != 5)
    return replace(data.with_ratings(rated), vectors={"text": MovieVectors(np.arange(400), texts)})


@pytest.fixture(scope="module")
def parts(data: Dataset) -> dict[str, Model[Any]]:
    parts: dict[str, Model[Any]] = {
        "ease": Ease(regularization=5.0, max_items=100).fit(data),
        "ials": ImplicitALS(n_factors=8).fit(data),
        "graph": GraphFilter(rank=16).fit(data),
        "content": Content().fit(data),
        "stars": Stars(n_factors=4).fit(data),
        "popular": Popularity().fit(data),
    }
    return parts | {"coldstart": ColdStart(max_items=50).bind(parts).fit(data)}


@pytest.fixture(params=["signed", "watched", "mapping", "without content"])
def blend(request: pytest.FixtureRequest, data: Dataset, parts: dict[str, Model[Any]]) -> Blend:
    settings: dict[str, Any] = {"weights": WEIGHTS, "learn": False}
    if request.param == "watched":
        settings["feedback"] = "watched"
    elif request.param == "mapping":
        settings["mapping"] = "coldstart"
    elif request.param == "without content":
        settings |= {"content": None, "weights": {name: 1.0 for name in WEIGHTS if name != "content"}}
    return Blend(**settings).fit(data).bind(parts)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "SAMPLE", 80)


def histories(data: Dataset) -> list[Query]:
    mixed = [Query.of(data.ratings, user) for user in range(12)]
    few = Query(mixed[0].rows[:2], np.float32([1, 5]))
    return [*mixed, few, Query(mixed[1].rows[:3], np.float32([1, 1, 1]))]


def test_with_every_movie_it_is_the_blend(blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """All other movies are the sample: nothing is estimated."""
    monkeypatch.setattr(shortlist, "SAMPLE", 10_000)
    monkeypatch.setattr(shortlist, "WORTH", 0)
    for query in histories(data):
        made, scores = blend.shortlist(query, SIZE), blend.score([query])[0]
        assert made is not None
        assert sorted(made.rows.tolist()) == list(range(400))
        np.testing.assert_allclose(made.scores, scores[made.rows], rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(made.mean, np.nanmean(scores), atol=1e-4)
        np.testing.assert_allclose(made.deviation, np.nanstd(scores), rtol=1e-3)


def test_reasons_are_those_of_all_scores(blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "SAMPLE", 10_000)
    monkeypatch.setattr(shortlist, "WORTH", 0)
    rows = [0, 5, 13, 77, 250, 397]  # two of them without ratings
    for user in range(5):
        plain, listed = Query.of(data.ratings, user), Query.of(data.ratings, user)
        assert blend.shortlist(listed, SIZE) is not None
        expected = blend.contributions(plain, rows)
        with monkeypatch.context() as context:
            context.delattr(Blend, "_blended")  # scores of all movies are not needed
            found = blend.contributions(listed, rows)
        assert np.abs(expected).sum() > 0
        np.testing.assert_allclose(found, expected, rtol=5e-3, atol=2e-4)


@pytest.mark.usefixtures("small")
def test_other_movies_than_those_of_the_shortlist_have_reasons_too(blend: Blend, data: Dataset) -> None:
    plain, listed = Query.of(data.ratings, 1), Query.of(data.ratings, 1)
    made = blend.shortlist(listed, SIZE)
    assert made is not None
    left = np.setdiff1d(np.arange(400), made.rows)[:3].tolist()
    np.testing.assert_allclose(blend.contributions(listed, left), blend.contributions(plain, left), atol=1e-6)


@pytest.mark.usefixtures("small")
def test_candidates_are_the_most_rated_and_those_added_last(
    blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "NEWEST", 20)
    made = blend.shortlist(histories(data)[0], SIZE)
    assert made is not None
    counts, unrated = data.ratings.counts, np.flatnonzero(data.ratings.counts == 0)
    candidates, sample = made.rows[~made.sampled], made.rows[made.sampled]
    rated = candidates[counts[candidates] > 0]
    assert len(sample) == 80
    assert len(np.unique(made.rows)) == len(made.rows)
    assert counts[rated].min() >= np.sort(counts)[::-1][SIZE]
    assert counts[sample].min() > 0
    assert not np.isin(sample, candidates).any()
    assert candidates[counts[candidates] == 0].tolist() == unrated[-20:].tolist()


@pytest.mark.usefixtures("small")
def test_a_sample_stands_for_the_rest(blend: Blend, data: Dataset) -> None:
    """Scores are nearly those of the blend, and lists the same but for movies that were not scored."""
    reranker, scale = Reranker(data.catalog, data.ratings.counts, StarScale.of(data)), []
    for query in histories(data):
        made, scores = blend.shortlist(query, SIZE), blend.score([query])[0]
        assert made is not None
        known = np.isfinite(scores[made.rows])
        assert np.corrcoef(made.scores[known], scores[made.rows][known])[0, 1] > 0.99
        scale.append(made.deviation / np.nanstd(scores))
        among = np.isin(np.arange(400), made.rows)
        whole = reranker.pick(scores, query, 10, allowed=among)
        places = reranker.among(made.rows).pick(made.scores, query, 10, moments=(made.mean, made.deviation))
        assert len(np.intersect1d(whole, made.rows[places])) >= 8
    assert np.mean(scale) == pytest.approx(1, abs=0.1)


@pytest.mark.usefixtures("small")
def test_a_filter_gets_candidates_of_its_own(blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most rated movies that it allows, scored as they would be among all; no other score moves."""
    monkeypatch.setattr(shortlist, "ALLOWED", 30)
    monkeypatch.setattr(shortlist, "ALLOWED_SAMPLE", 10)
    monkeypatch.setattr(shortlist, "NEWEST", 20)
    counts = data.ratings.counts
    for name, allowed in (
        ("every third", np.arange(400) % 3 == 0),
        ("rarely rated", counts <= np.sort(counts)[200]),
        ("a few", np.isin(np.arange(400), [3, 71, 72, 250, 397, 399])),
        ("none", np.zeros(400, dtype=np.bool_)),
    ):
        subset = Subset(allowed)
        for query in histories(data):
            plain, made = blend.shortlist(query, SIZE), blend.shortlist(query, SIZE, subset)
            assert plain is not None
            assert made is not None
            assert len(np.unique(made.rows)) == len(made.rows)
            assert (np.diff(made.rows[made.order]) > 0).all()
            scores = np.full((2, 400), np.nan, dtype=np.float32)
            scores[0, plain.rows], scores[1, made.rows] = plain.scores, made.scores
            np.testing.assert_allclose(scores[1, plain.rows], plain.scores, rtol=1e-4, atol=1e-5)
            assert (made.mean, made.deviation) == pytest.approx((plain.mean, plain.deviation), abs=1e-5)
            # Moments are estimated as before: with those of all movies the scores would be the blend's.
            added, whole = np.setdiff1d(made.rows, plain.rows), blend.score([query])[0]
            added = added[np.isfinite(whole[added])]
            if len(added) > 5:
                assert np.corrcoef(scores[1, added], whole[added])[0, 1] > 0.99
            candidates = made.rows[~made.sampled]
            mine, rated = candidates[allowed[candidates]], np.flatnonzero(allowed & (counts > 0))
            assert made.whole == (name in ("a few", "none"))
            if made.whole:
                assert set(np.flatnonzero(allowed)) <= set(mine)
            else:
                best = rated[counts[rated] > np.sort(counts[rated])[::-1][30]]
                assert set(best) <= set(mine)
                assert len(mine) >= 30
                assert allowed[made.rows[made.sampled]].sum() >= 10
                assert counts[made.rows[made.sampled]].min() > 0
            assert blend.shortlist(query, SIZE, subset).rows is made.rows


@pytest.mark.usefixtures("small")
def test_a_filter_that_allows_enough_candidates_adds_none(
    blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "ALLOWED", 30)
    query, subset = histories(data)[0], Subset(np.arange(400) % 10 > 0)
    plain, made = blend.shortlist(query, SIZE), blend.shortlist(query, SIZE, subset)
    assert plain is not None
    assert made is not None
    assert made.rows is plain.rows


@pytest.mark.usefixtures("small")
def test_candidates_of_few_filters_are_kept(blend: Blend, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "SUBSETS", 3)
    query = histories(data)[0]
    for start in range(8):
        assert blend.shortlist(query, SIZE, Subset(np.arange(400) % 8 == start)) is not None
    made = blend._shortlist and blend._shortlist[1]
    assert made
    assert len(made._subsets) == 3


@pytest.mark.usefixtures("small")
def test_small_catalogs_and_other_users_need_none(blend: Blend, data: Dataset) -> None:
    query = histories(data)[0]
    assert blend.shortlist(query, 0) is None
    assert blend.shortlist(query, 200) is None  # hardly fewer than all
    assert blend.shortlist(query, SIZE) is not None
    assert blend.shortlist(Query(), SIZE) is None  # a chart
    unrated = np.flatnonzero(data.ratings.counts == 0)[:1]
    assert blend.shortlist(Query(unrated, np.float32([5])), SIZE) is None  # content alone
    assert Popularity().fit(data).shortlist(query, SIZE) is None


@pytest.mark.usefixtures("small")
def test_movies_that_are_added_or_edited_count_at_once(data: Dataset, parts: dict[str, Model[Any]]) -> None:
    blend, query = Blend(weights=WEIGHTS, learn=False).fit(data).bind(parts), histories(data)[0]
    assert blend.shortlist(query, SIZE) is not None
    made = blend._shortlist and blend._shortlist[1]
    edited = data.catalog.movie(int(np.argmax(data.ratings.counts))).model_copy(update={"genres": ("Western",)})
    catalog = data.catalog.with_changes([edited, Movie(movie_id="new", title="The Weeping", genres=("Drama",))])
    grown = {name: part.with_catalog(catalog) for name, part in parts.items()}
    after, fresh = blend.bind(grown).with_catalog(catalog), Blend(weights=WEIGHTS, learn=False).fit(data).bind(grown)
    fresh = fresh.with_catalog(catalog)
    found, expected = after.shortlist(query, SIZE), fresh.shortlist(query, SIZE)
    assert found is not None
    assert expected is not None
    assert 400 in found.rows
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-6)
    again = after._shortlist and after._shortlist[1]
    assert made
    assert again
    same = {name for name in WEIGHTS if again._parts[name].scorer is made._parts[name].scorer}
    assert same >= {"ease", "ials", "graph", "stars"}  # learned from ratings: nothing is copied again
    assert "content" not in same


@pytest.mark.usefixtures("small")
def test_earlier_states_of_the_catalog_are_forgotten(data: Dataset, parts: dict[str, Model[Any]]) -> None:
    blend = Blend(weights=WEIGHTS, learn=False).fit(data).bind(parts)
    states = []
    catalog = data.catalog
    for number in range(4):
        catalog = catalog.with_changes([Movie(movie_id=f"new{number}", title="The Weeping", genres=("Drama",))])
        blend = blend.bind({name: part.with_catalog(catalog) for name, part in parts.items()}).with_catalog(catalog)
        assert blend.shortlist(Query.of(data.ratings, 0), SIZE) is not None
        states.append(weakref.ref(catalog))
    gc.collect()
    assert [state() is not None for state in states[:2]] == [False, False]
    assert states[-1]() is catalog


def test_given_moments_standardize_alike() -> None:
    scores = np.random.default_rng(0).normal(size=50).astype(np.float32)
    whole = log_scores(scores)
    part = log_scores(scores[:20], (float(scores.mean()), float(scores.std())))
    np.testing.assert_allclose(part, whole[:20], rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("small")
def test_histories_scored_together_have_the_scores_of_each_alone(blend: Blend, data: Dataset) -> None:
    def asked() -> list[Query]:
        return [*histories(data), Query(), Query(np.array([399]), np.float32([4]))]

    together = asked()
    blend.score_together(together, SIZE)
    for alone, query in zip(asked(), together, strict=True):
        expected, found = blend.shortlist(alone, SIZE), blend.shortlist(query, SIZE)
        assert (expected is None) == (found is None)
        if expected is not None and found is not None:
            assert found.rows is expected.rows
            np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(
                blend.contributions(query, [0, 13, 77]), blend.contributions(alone, [0, 13, 77]), rtol=1e-3, atol=1e-5
            )


@pytest.mark.usefixtures("small")
def test_what_was_scored_together_serves_one_state_of_the_catalog(blend: Blend, data: Dataset) -> None:
    queries = histories(data)[:3]
    blend.score_together(queries, SIZE)
    found = blend.shortlist(queries[0], SIZE + 1)
    assert found is not None
    assert len(found.rows) != len(blend.shortlist(queries[1], SIZE).rows)  # type: ignore[union-attr]
