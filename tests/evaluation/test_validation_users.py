"""Who is asked for what: the users kept for choosing settings, and the protocol of few likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.split import users_of, validation_users
from matinee.errors import InvalidInputError
from matinee.evaluation import evaluate
from matinee.evaluation.protocols import PROTOCOLS, EvaluationSource
from matinee.evaluation.splitters import Entries, few_likes
from matinee.settings import Settings
from support import make_dataset, random_dataset

OWN = ["likes", "few", "holdout", "temporal", "implicit", "new-users", "leave-last-out"]


def test_validation_users_are_a_fifth_and_stay_the_same() -> None:
    ids = pl.Series([str(i) for i in range(6040)])
    found = validation_users(ids)
    assert found.mean() == pytest.approx(0.2, abs=0.02)
    assert np.flatnonzero(found[:30]).tolist() == [2, 6, 17, 18, 23, 29]
    assert np.array_equal(validation_users(ids[::-1])[::-1], found)
    assert validation_users(ids, 0.5)[found].all()
    with pytest.raises(InvalidInputError, match="share"):
        validation_users(ids, 0.0)


@given(st.lists(st.text(max_size=8), unique=True, max_size=20), st.data())
def test_who_else_is_there_changes_nothing(ids: list[str], data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    whole = dict(zip(ids, validation_users(pl.Series(ids, dtype=pl.String)), strict=True))
    part = validation_users(pl.Series(some, dtype=pl.String))
    assert part.tolist() == [whole[user] for user in some]


@pytest.mark.parametrize("name", OWN)
def test_printed_figures_and_validation_ask_different_users(name: str) -> None:
    data = random_dataset(100, 50, 0.6)
    source, validators = EvaluationSource(data), validation_users(data.ratings.user_ids)
    assert 0 < validators.sum() < 50
    for printed, chosen in zip(
        PROTOCOLS[name].splits(source), PROTOCOLS[name].splits(source, validation=True), strict=True
    ):
        asked, others = (
            {user for test in [part.test, *(q.test for q in part.questions)] for user in users_of(test).tolist()}
            for part in (printed, chosen)
        )
        assert asked
        assert others
        assert not asked & set(np.flatnonzero(validators))
        assert others <= set(np.flatnonzero(validators))
        again = next(split for split in PROTOCOLS[name].splits(source) if split.name == printed.name)
        for part in ("train", "history", "test"):
            np.testing.assert_array_equal(getattr(printed, part).indices, getattr(again, part).indices)
        # Validation learns from nothing that the printed split asks.
        hidden = printed.test.matrix().toarray() > 0
        assert not (hidden & (chosen.train.matrix().toarray() > 0)).any()


@pytest.mark.parametrize("name", ["likes", "holdout", "temporal", "implicit", "leave-last-out"])
def test_everybody_is_learnt_from(name: str) -> None:
    data = random_dataset(100, 50, 0.6)
    for printed, chosen in zip(
        PROTOCOLS[name].splits(EvaluationSource(data)),
        PROTOCOLS[name].splits(EvaluationSource(data), validation=True),
        strict=True,
    ):
        np.testing.assert_array_equal(printed.train.indptr, chosen.train.indptr)
        np.testing.assert_array_equal(printed.train.indices, chosen.train.indices)


def test_implicit_takes_four_stars_and_more_alike() -> None:
    data = random_dataset(60, 40, 0.5)
    protocol = PROTOCOLS["implicit"]
    everything = data.ratings.matrix().toarray()
    split = next(iter(protocol.splits(EvaluationSource(data))))
    assert (split.train.values == 1).all()
    assert protocol.data(EvaluationSource(data)).scale == (1.0, 1.0)
    taken = (split.train.matrix() + split.test.matrix()).toarray() > 0
    asked = ~validation_users(data.ratings.user_ids)
    np.testing.assert_array_equal(taken[asked], everything[asked] >= 4)
    flat = make_dataset([(f"u{u}", f"{f}", 1.0, None) for u in range(30) for f in range(10)])
    split = next(iter(protocol.splits(EvaluationSource(flat))))
    assert len(split.train) == 30 * 8


# --- few --------------------------------------------------------------------------------------------------------
def test_few_likes_by_its_definition() -> None:
    data = random_dataset(100, 50, 0.6)
    ratings, users = data.ratings, users_of(data.ratings)
    likes = (ratings.values >= 3.5).astype(int)
    n_likes = np.bincount(users, weights=likes, minlength=100)
    for seed, split in enumerate(PROTOCOLS["few"].splits(EvaluationSource(data))):
        validators = validation_users(ratings.user_ids)
        held = [user for user in np.random.RandomState(seed).permutation(100) if not validators[user]][:10]
        assert set(users_of(split.train)) == set(range(100)) - set(held)
        assert [question.name for question in split.questions] == ["0", "1", "3", "5", "10"]
        before: set[tuple[int, int]] = set()
        for question in split.questions:
            k = int(question.name)
            able = {user for user in held if n_likes[user] >= k + 5}
            shown, asked = (
                set(zip(users_of(part).tolist(), part.indices.tolist(), strict=True))
                for part in (question.history, question.test)
            )
            assert {user for user, _ in asked} == able
            assert not shown & asked
            assert len(shown) == k * len(able)
            assert question.history.values.min(initial=5) >= 3.5
            assert question.test.values.min(initial=5) >= 3.5
            assert {pair for pair in before if pair[0] in able} <= shown
            for user in able:
                assert sum(pair[0] == user for pair in shown | asked) == n_likes[user]
            before = shown
    assert seed == 1


def test_few_likes_on_whole_stars_and_on_flat_data() -> None:
    # Two users alike; whoever is held out liked 8 of 20 films from 1 to 5 stars, and 4 of them on a scale up to 6½.
    stars = make_dataset([(user, f"{f}", float(1 + f % 5), None) for user in "ab" for f in range(20)])
    for scale, likes in (((1.0, 5.0), 8), ((0.5, 5.0), 8), ((1.0, 6.5), 4)):
        (masks,) = few_likes(0.5, (0, 3), 1, 1)(Entries(stars.ratings, np.arange(40), scale))
        assert masks.test.sum() == likes
        # With 3 likes shown only a user of 4 or more is asked.
        assert [(int(s.history.sum()), int(s.test.sum())) for s in masks.stages] == [(0, likes), (3, likes - 3)]
        assert masks.train.sum() == 20
    flat = make_dataset([(user, f"{f}", 1.0, None) for user in "abcd" for f in range(6)])
    (masks,) = few_likes(0.25, (1,), 5, 0)(Entries(flat.ratings, np.arange(24), (1.0, 1.0)))
    assert masks.history.sum() == 1
    assert masks.test.sum() == 5
    assert masks.train.sum() == 18


def test_few_is_reported_by_the_number_of_likes(tmp_path: Path) -> None:
    settings = Settings(offline=True, cache_dir=tmp_path)
    report = evaluate("few", ["popular", "itemknn"], data=random_dataset(100, 50, 0.6), settings=settings)
    found = report.result("itemknn").metrics
    assert list(found)[:5] == [f"ndcg@10/{k}" for k in (0, 1, 3, 5, 10)]
    assert found["ndcg@10/0"] == 0.0  # knows nobody without a history
    assert found["ndcg@10/10"] > report.result("popular").metrics["ndcg@10/0"] > 0
    assert report.table()[0][1] == "ndcg@10/0"
