"""Groups of users and movies, and calibration of stars, by hand and against a slow reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matinee.data.split import users_of
from matinee.evaluation import evaluate
from matinee.evaluation.groups import (
    UserGroups,
    decile_label,
    error_by_decile,
    popularity_deciles,
    recall_by_decile,
)
from matinee.evaluation.measure import predict_stars, rank_users, users_to_test
from matinee.evaluation.metrics import interval_coverage, within_interval
from matinee.evaluation.protocols import EvaluationSource, get_protocol
from matinee.evaluation.star_calibration import star_calibration
from matinee.evaluation.user_traits import age_group, read_user_traits
from matinee.models import Ease, Stars
from matinee.models.base import Query
from matinee.settings import Settings
from support import random_dataset


def test_deciles_hold_equally_many_movies() -> None:
    counts = np.array([0, 5, 1, 9, 2, 2, 7, 100, 3, 4, 6, 8, 0, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    deciles = popularity_deciles(counts)
    assert (deciles == 0).tolist() == (counts == 0).tolist()
    assert np.bincount(deciles)[1:].tolist() == [2] * 10
    assert deciles[7] == 10
    assert all(counts[deciles == d].max() <= counts[deciles == d + 1].min() for d in range(1, 10))
    assert [decile_label(d) for d in (0, 1, 10)] == ["unrated", "1", "10"]
    assert popularity_deciles(np.zeros(3, dtype=np.int64)).tolist() == [0, 0, 0]


def test_terciles_of_histories_and_traits() -> None:
    data = random_dataset(60, 40, 0.3)
    users = np.arange(60)
    groups = UserGroups.of(data.ratings, users, {"gender": {"u1": "men", "u2": "women", "x": "men"}, "age": {}})
    sizes = np.diff(data.ratings.indptr)
    own = groups.members["history"]
    assert np.bincount(own, minlength=3).min() >= 12
    assert sizes[own == 0].max() < sizes[own == 1].min() <= sizes[own == 1].max() < sizes[own == 2].min()
    assert groups.labels["gender"] == ("men", "women")
    assert "age" not in groups.labels
    ids = data.ratings.user_ids.to_list()
    assert groups.members["gender"][ids.index("u2")] == 1
    assert groups.members["gender"][ids.index("u3")] == -1
    assert "regular up to" in groups.notes[0]


def test_groups_add_up_to_the_whole() -> None:
    data = random_dataset(60, 40, 0.4)
    split = next(get_protocol("holdout").splits(EvaluationSource(data)))
    part = data.with_ratings(split.train)
    ranked = rank_users(Ease().fit(part), split, data.catalog)
    groups = UserGroups.of(split.history, users_to_test(split), {})
    found = {key.group: sums for key, sums in groups.split_up("ndcg@10", ranked.figures)}
    whole = ranked.figures.sums["ndcg@10"]
    assert sum(s.denominators.sum() for s in found.values()) == whole.denominators.sum()
    assert sum(s.numerators.sum() for s in found.values()) == pytest.approx(whole.numerators.sum())
    assert whole.value == pytest.approx(ranked.metrics["ndcg@10"])
    deciles = popularity_deciles(split.train.counts)
    by_decile = {key.group: sums for key, sums in recall_by_decile(ranked, deciles, 10)}
    for decile in range(11):
        hits = asked = 0
        for user, movies in zip(ranked.figures.users, ranked.lists, strict=True):
            relevant = {int(m) for m in split.test.history(int(user))[0] if deciles[m] == decile}
            asked += len(relevant)
            hits += len(relevant & set(movies.tolist()))
        sums = by_decile[decile_label(decile)]
        assert (sums.numerators.sum(), sums.denominators.sum()) == (hits, asked)


def test_errors_of_deciles_add_up() -> None:
    data = random_dataset(60, 40, 0.4)
    split = next(get_protocol("holdout").splits(EvaluationSource(data)))
    predicted = predict_stars(Stars(n_factors=2).fit(data.with_ratings(split.train)), split, data.scale)
    sums = [s for _, s in error_by_decile(predicted, popularity_deciles(split.train.counts))]
    total = sum(s.numerators.sum() for s in sums) / sum(s.denominators.sum() for s in sums)
    assert np.sqrt(total) == pytest.approx(predicted.metrics["rmse"])
    assert predicted.figures.sums["rmse"].value == pytest.approx(predicted.metrics["rmse"])
    assert predicted.figures.sums["mae"].value == pytest.approx(predicted.metrics["mae"])
    assert sum(s.denominators.sum() for s in sums) == (users_of(split.test) >= 0).sum()


class Sure(Stars):
    """Stars with an interval of ±1 around the prediction, none for one movie."""

    def score_intervals(self, query: Query, rows: np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        stars = np.where(rows == 0, np.nan, self.score_rows(query, rows))
        return stars - 1, stars + 1


def test_coverage_of_intervals(tmp_path: Path) -> None:
    lower, upper = np.array([1.0, 2.0, np.nan, 4.0]), np.array([2.0, 3.0, 3.0, 5.0])
    stars = np.array([2.0, 3.5, 3.0, 4.0])
    assert within_interval(lower, upper, stars).tolist() == [True, False, False, True]
    assert interval_coverage(lower, upper, stars) == pytest.approx(2 / 3)
    assert np.isnan(interval_coverage(np.array([np.nan]), np.array([np.nan]), np.array([3.0])))
    data = random_dataset(60, 40, 0.4)
    report = evaluate(
        "ml-1m-ratings",
        data=data,
        settings=Settings(offline=True, cache_dir=tmp_path),
        lineup=lambda _: {"sure": Sure(n_factors=2), "stars": Stars(n_factors=2)},
    )
    metrics = report.result("sure").metrics
    assert 0.5 < metrics["interval_coverage"] < 1
    assert metrics["interval_width"] == pytest.approx(2.0)
    assert "interval_coverage" in report.result("sure").intervals
    assert "interval_coverage" not in report.result("stars").metrics
    columns, rows = report.calibration_table()
    assert {row[0] for row in rows} == {"sure", "stars"}
    assert [row[1] for row in rows] == ["all", "all"]
    alone = report.model_copy(update={"results": (report.result("stars"),)})
    columns, rows = alone.calibration_table()
    assert columns[-2:] == ["slope", "intercept"]
    assert [row[1] for row in rows] == ["all", *(f"tenth {number}" for number in range(1, 11))]
    predicted = [float(row[2]) for row in rows[1:]]
    assert predicted == sorted(predicted)


def test_calibration_of_predictions_that_are_too_extreme() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 5, 5000)
    actual = 3 + 0.5 * (predicted - 3) + rng.normal(0, 0.1, 5000)
    found = star_calibration(predicted, actual)
    assert found.slope == pytest.approx(0.5, abs=0.01)
    assert found.intercept == pytest.approx(1.5, abs=0.02)
    assert [entry.ratings for entry in found.bins] == [500] * 10
    for entry in found.bins:
        assert entry.actual == pytest.approx(3 + 0.5 * (entry.predicted - 3), abs=0.02)
        assert entry.slope == pytest.approx(0.5, abs=0.2)
    level = star_calibration(np.full(20, 3.5), np.linspace(1, 5, 20))
    assert (level.slope, level.intercept) == (0.0, pytest.approx(3.0))
    assert star_calibration(np.zeros(0), np.zeros(0)).bins == ()


def test_traits_of_movielens(tmp_path: Path) -> None:
    assert [age_group(age) for age in (1, 18, 24, 25, 34, 35, 45, 50, 55, 56, 73)] == [
        "under 18", "18–24", "18–24", "25–34", "25–34", "35–44", "45–49", "50–55", "50–55",
        "56 and over", "56 and over",
    ]  # fmt: skip
    assert read_user_traits(tmp_path) == {}
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n3|x|?|other|1\n", encoding="latin-1")
    assert read_user_traits(tmp_path) == {
        "gender": {"1": "men", "2": "women"},
        "age": {"1": "18–24", "2": "50–55"},
    }
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n", encoding="latin-1")
    assert read_user_traits(tmp_path)["age"] == {"1": "under 18", "2": "56 and over"}
