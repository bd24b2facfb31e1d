"""What counts as liked and disliked, by hand; what models are not told of films; counts as a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors
from matinee.evaluation import evaluate
from matinee.evaluation import metrics as m
from matinee.evaluation.measure import measure_questions, measure_ranking
from matinee.evaluation.protocols import PROTOCOLS, EvaluationSource, Question, Split, without_user_tags
from matinee.evaluation.references import Counts, last_month
from matinee.evaluation.relevance import at_least_liked, disliked, liked
from matinee.models import Content, Query
from matinee.models.base import Scores
from matinee.settings import Settings
from support import make_dataset, random_dataset

HALF, WHOLE = (0.5, 5.0), (1.0, 5.0)


def parts(history: dict[str, list[float]], test: dict[str, list[float]]) -> tuple[Ratings, Ratings, Dataset]:
    """History and test of users; a user's films are numbered from 0, those of the history first."""
    rows: list[tuple[str, str, float, int | None]] = []
    asked = []
    for user, shown in history.items():
        for film, stars in enumerate([*shown, *test[user]]):
            rows.append((user, f"{film:02}", stars, None))
            asked.append(film >= len(shown))
    data = make_dataset(rows)
    is_test = np.array(asked)
    return data.ratings.select(~is_test), data.ratings.select(is_test), data


def test_likes_are_above_the_users_mean_and_high_on_the_scale() -> None:
    history, test, _ = parts({"a": [4.0, 5.0], "b": [1.0, 2.0]}, {"a": [4.5, 5.0, 4.0], "b": [2.0, 3.0, 3.5]})
    assert liked(history, test, HALF).tolist() == [False, True, False, False, False, True]
    assert liked(history, test, WHOLE).tolist() == [False, True, False, False, False, False]
    assert at_least_liked(test, HALF).tolist() == [True, True, True, False, False, True]
    assert at_least_liked(test, WHOLE).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("scale", "stars", "hated"), [(HALF, [0.5, 2.5, 3.0], 2), (WHOLE, [1.0, 2.0, 3.0], 2), ((1.0, 10.0), [5.0, 6.0], 1)]
)
def test_dislikes_are_low_on_the_scale(scale: tuple[float, float], stars: list[float], hated: int) -> None:
    history, test, _ = parts({"a": [4.0]}, {"a": stars})
    assert int(disliked(history, test, scale).sum()) == hated


def test_where_all_stars_are_equal_everything_is_liked() -> None:
    history, test, _ = parts({"a": [1.0, 1.0]}, {"a": [1.0, 1.0]})
    for scale in (HALF, WHOLE, (1.0, 1.0)):
        assert liked(history, test, scale).all()
        assert at_least_liked(test, scale).all()
        assert not disliked(history, test, scale).any()


def test_without_a_history_everybodys_mean_is_the_users() -> None:
    history, test, _ = parts({"a": [4.0, 4.2], "b": []}, {"a": [4.0], "b": [4.0, 5.0]})
    assert liked(history, test, HALF).tolist() == [False, False, True]


@given(st.lists(st.sampled_from([0.5 * n for n in range(1, 11)]), min_size=2, max_size=12), st.integers(1, 11))
def test_nothing_is_both_liked_and_disliked(stars: list[float], cut: int) -> None:
    cut = min(cut, len(stars) - 1)
    history, test, _ = parts({"a": stars[:cut]}, {"a": stars[cut:]})
    assert not (liked(history, test, HALF) & disliked(history, test, HALF)).any()
    assert not (liked(history, test, HALF) & ~at_least_liked(test, HALF)).any() or len(set(stars)) == 1


class Fixed:
    """The same scores for everybody: film 0 first."""

    def __init__(self, n_items: int) -> None:
        self.row = -np.arange(n_items, dtype=np.float32)

    def score(self, queries: Sequence[Query]) -> Scores:
        return np.tile(self.row, (len(queries), 1))


def test_lists_by_hand() -> None:
    # a: seen 0 and 1 (mean 3); list of 3: films 2 (liked), 3 (disliked), 4 (neither); film 5, liked, is not listed.
    # b: seen 0, 1, 2; list: 3 (disliked), 4 (not asked), 5 (not asked): nothing is relevant, only dislikes count.
    history, test, data = parts({"a": [2.0, 4.0], "b": [4.0, 4.0, 4.5]}, {"a": [5.0, 1.0, 3.0, 4.0], "b": [2.0]})
    split = Split("by hand", history, history, test)
    found = measure_ranking(Fixed(6), split, data.catalog, k=3, relevant="likes", scale=HALF)
    assert found["recall@3"] == 0.5
    assert found["precision@3"] == pytest.approx(1 / 3)
    assert found["ndcg@3"] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert found["disliked@3"] == 2 / 4
    assert found["disliked_per_list@3"] == 2 / 2
    assert found["answered"] == 1.0
    everything = measure_ranking(Fixed(6), split, data.catalog, k=3)
    assert everything["recall@3"] == pytest.approx((3 / 4 + 1) / 2)
    assert "disliked@3" not in everything


def test_a_lister_takes_the_place_of_the_ranking() -> None:
    history, test, data = parts({"a": [2.0, 4.0], "b": [4.0, 4.0]}, {"a": [5.0, 4.0], "b": [1.0, 5.0]})
    split = Split("by hand", history, history, test)
    asked: list[list[int]] = []

    def lister(scores: Scores, queries: list[Query]) -> np.ndarray:
        asked.append([len(query) for query in queries])
        assert scores.shape == (2, 4)
        return np.array([[3, -1], [2, 3]])

    found = measure_ranking(Fixed(4), split, data.catalog, k=2, relevant="likes", lister=lister)
    assert asked == [[2, 2]]
    assert found["recall@2"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["disliked@2"] == pytest.approx(1 / 3)
    assert found["coverage"] == 2 / 4


def test_a_list_of_nothing_asked_has_no_dislikes() -> None:
    none = np.zeros((2, 3), dtype=np.bool_)
    assert m.disliked_share(none, none) == 0.0
    assert m.disliked_share(np.array([[True, False]]), np.array([[True, True]])) == 0.5


def test_share_of_the_most_rated() -> None:
    counts = np.array([5, 9, 1, 9])
    lists = np.array([[1, 0, -1], [3, 2, -1]])
    assert m.head_share(lists, counts, 1) == 1 / 4
    assert m.head_share(lists, counts, 2) == 2 / 4
    assert m.head_share(lists, counts) == 1.0
    assert m.head_share(np.full((1, 2), -1), counts) == 0.0


def test_questions_are_measured_each_by_its_name() -> None:
    history, test, data = parts({"a": [5.0]}, {"a": [5.0, 5.0]})
    nothing = data.ratings.select(np.zeros(3, dtype=np.bool_))
    questions = (Question("0", nothing, data.ratings), Question("1", history, test))
    split = Split("by hand", history, nothing, data.ratings, questions)
    found = measure_questions(Fixed(3), split, data.catalog, k=2)
    assert list(found) == ["ndcg@2/0", "ndcg@2/1", "recall@2/0", "recall@2/1"]
    assert found["recall@2/0"] == pytest.approx(2 / 3)
    assert found["recall@2/1"] == found["ndcg@2/1"] == 1.0


# --- tags -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["likes", "few", "holdout", "temporal", "implicit", "new-users", "leave-last-out"])
def test_content_cannot_read_what_users_wrote(name: str) -> None:
    data = random_dataset(60, 40, 0.6)
    frame = data.catalog.frame
    other = replace(data, catalog=type(data.catalog)(frame.with_columns(tags=frame["tags"].reverse())))
    found = []
    for source in (EvaluationSource(data), EvaluationSource(other)):
        split = next(iter(PROTOCOLS[name].splits(source)))
        part = PROTOCOLS[name].data(source).with_ratings(split.train)
        found.append(Content().fit(part).score([Query.of(split.train, 0)]))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.isnan(found[0]).all()


def test_nothing_but_tags_is_taken_away() -> None:
    data = random_dataset(20, 10, 0.5)
    unit = MovieVectors(np.arange(2), np.eye(2, dtype=np.float32))
    data = replace(data, vectors={"text": unit, "poster": unit})
    bare = without_user_tags(data)
    assert list(bare.vectors) == ["poster"]
    assert bare.ratings is data.ratings
    assert not any(bare.catalog.column("tags"))
    assert bare.catalog.frame.drop("tags").equals(data.catalog.frame.drop("tags"))
    assert without_user_tags(bare) is bare


# --- references -------------------------------------------------------------------------------------------------
def test_counts_of_the_last_month() -> None:
    day = 86_400
    data = make_dataset(
        [("a", "1", 4.0, 0), ("b", "1", 4.0, 0), ("a", "2", 1.0, 30 * day), ("a", "3", 1.0, 60 * day)],
        [{"movie_id": str(i), "title": str(i)} for i in range(1, 5)],
    )
    everything = Counts().fit(data)
    np.testing.assert_array_equal(everything.score([Query()]), [[2, 1, 1, np.nan]])
    newest = last_month()["last-month"].fit(data)
    np.testing.assert_array_equal(newest.score([Query(), Query()]), 2 * [[np.nan, 1, 1, np.nan]])
    again = Counts.from_state(newest.config, newest.state(), data.catalog)
    np.testing.assert_array_equal(again.score([Query()]), newest.score([Query()]))


def test_temporal_is_shown_beside_the_last_month(tmp_path: Path) -> None:
    report = evaluate(
        "temporal", ["popular"], data=random_dataset(60, 40, 0.5), settings=Settings(offline=True, cache_dir=tmp_path)
    )
    assert [entry.name for entry in report.results] == ["popular", "last-month"]
    assert report.result("last-month").metrics["ndcg@10"] > 0
    assert report.result("last-month").config == {"days": 30.0}
