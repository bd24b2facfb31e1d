from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.evaluation.new_movies import NewMovies, measure_new_movies, split_new_movies
from matinee.models import Content, Popularity, Query
from matinee.models.base import Scores
from support import random_dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(80, 50, 0.3)


@pytest.fixture(scope="module")
def split(data: Dataset) -> NewMovies:
    return split_new_movies(data, 0, share=0.2)


def test_new_films_are_nowhere_in_training(data: Dataset, split: NewMovies) -> None:
    counts = data.ratings.counts
    assert len(split.new) == round(0.2 * (counts >= 5).sum())
    assert (counts[split.new] >= 5).all()
    assert not split.train.ratings.counts[split.new].any()
    np.testing.assert_array_equal(split.test.counts[split.new], counts[split.new])
    assert split.test.counts.sum() == counts[split.new].sum()
    tags = split.train.catalog.column("tags")
    assert not any(tags[row] for row in split.new)
    assert sum(map(len, tags)) == sum(
        len(t) for row, t in enumerate(data.catalog.column("tags")) if row not in split.new
    )


def test_every_rating_has_the_same_chance_to_be_asked_for(data: Dataset, split: NewMovies) -> None:
    old = np.setdiff1d(np.arange(50), split.new)
    np.testing.assert_array_equal((split.train.ratings.counts + split.tested.counts)[old], data.ratings.counts[old])
    for rows in (old, split.new):
        assert 0.12 < split.tested.counts[rows].sum() / data.ratings.counts[rows].sum() < 0.28


def test_splits_depend_on_the_seed_alone(data: Dataset, split: NewMovies) -> None:
    again = split_new_movies(data, 0, share=0.2)
    np.testing.assert_array_equal(again.new, split.new)
    np.testing.assert_array_equal(again.tested.indices, split.tested.indices)
    assert split_new_movies(data, 1, share=0.2).new.tolist() != split.new.tolist()


def test_who_knows_everything_is_perfect(data: Dataset, split: NewMovies) -> None:
    """Scores that put what each user will rate first, best stars first."""
    stars = split.test.matrix().toarray() + 10 * split.tested.matrix(binary=True).toarray()

    def know(queries: Sequence[Query]) -> Scores:
        users = [data.ratings.find_user(str(query.user_id)) for query in queries]
        return stars[users].astype(np.float32)

    found = measure_new_movies(know, split, liked=0.5)
    assert found["recall@20"] == found["auc"] == pytest.approx(1.0)
    assert found["mixed_ndcg@10"] == pytest.approx(1.0)
    assert found["new_share"] > 0


def test_against_a_slow_reference(data: Dataset, split: NewMovies) -> None:
    model = Content().fit(split.train)
    found = measure_new_movies(model.score, split)
    truth, asked = split.test.matrix().toarray(), split.tested.matrix().toarray()
    auc, recall, shares = [], [], []
    for user in range(data.ratings.n_users):
        query = Query.of(split.train.ratings, user)
        liked = [row for row in split.new if truth[user, row] >= 4]
        if not len(query) or not (liked or asked[user].any()):
            continue
        scores = model.score([query])[0]
        unseen = sorted(set(range(50)) - set(query.rows.tolist()), key=lambda row: (-scores[row], row))
        shares.append(np.mean([row in split.new for row in unseen[:10]]))
        if liked:
            others = [row for row in split.new if row not in liked]
            if others:
                auc.append(
                    np.mean([(scores[a] > scores[b]) + (scores[a] == scores[b]) / 2 for a in liked for b in others])
                )
            best = sorted(split.new, key=lambda row: (-scores[row], row))[:20]
            recall.append(len(set(best) & set(liked)) / len(liked))
    assert found["auc"] == pytest.approx(np.mean(auc))
    assert found["recall@20"] == pytest.approx(np.mean(recall))
    assert found["new_share"] == pytest.approx(np.mean(shares))


def test_who_knows_no_new_film_never_names_one(split: NewMovies) -> None:
    found = measure_new_movies(Popularity().fit(split.train).score, split)
    assert found["new_share"] == found["ndcg@10"] == found["recall@20"] == 0
    assert np.isnan(found["new_precision"])
    assert found["auc"] == pytest.approx(0.5)
    assert 0 < found["old_precision"] < 1


def test_films_that_nobody_rates_stay_as_they_are(data: Dataset) -> None:
    catalog = data.catalog.with_changes([Movie(movie_id="never", title="Seen by nobody", tags=("quiet",))])
    ratings = type(data.ratings)(
        data.ratings.user_ids, data.ratings.indptr, data.ratings.indices, data.ratings.values, data.ratings.times, 51
    )
    split = split_new_movies(replace(data, catalog=catalog, ratings=ratings), 0)
    assert 50 not in split.new
    assert split.train.catalog.column("tags")[50] == ["quiet"]
