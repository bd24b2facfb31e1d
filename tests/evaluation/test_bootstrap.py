"""Intervals against SciPy, against a slow reference with the same draws, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from matinee.evaluation.bootstrap import bca_interval, draw_counts, percentile_interval, resample
from matinee.evaluation.figures import Sums, UserFigures, aligned, user_means


def figures(**sums: Sums) -> UserFigures:
    n = len(next(iter(sums.values())).numerators)
    return UserFigures(np.arange(n, dtype=np.int64), sums)


def test_draws_are_whole_samples_and_repeat() -> None:
    first, again = (np.vstack(list(draw_counts(30, 50, 3))) for _ in range(2))
    assert (first.sum(axis=1) == 30).all()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, np.vstack(list(draw_counts(30, 50, 4))))
    assert first.mean() == 1.0
    assert abs(first.var() - 1.0) < 0.1  # Poisson-like: n draws of n users


def test_a_batch_boundary_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.vstack(list(draw_counts(20, 64, 0)))
    monkeypatch.setattr("matinee.evaluation.bootstrap._BATCH_CELLS", 100)
    assert np.array_equal(whole, np.vstack(list(draw_counts(20, 64, 0))))


@pytest.mark.parametrize("skewed", [False, True])
def test_bca_is_that_of_scipy_on_the_same_resamples(skewed: bool) -> None:
    rng = np.random.default_rng(5)
    values = rng.lognormal(0, 1, 40) if skewed else rng.normal(0, 1, 40)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(1))
    ours = resample([figures(mean=Sums.mean(values))], ["mean"], resamples=10)
    found = bca_interval(theirs.bootstrap_distribution, ours.estimates[0], ours.acceleration[0])
    assert found == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)
    plain = percentile_interval(theirs.bootstrap_distribution)
    assert plain == pytest.approx(tuple(np.percentile(theirs.bootstrap_distribution, [2.5, 97.5])))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**16))
def test_resampled_figures_are_those_of_a_slow_reference(n: int, seed: int) -> None:
    """Users drawn one after the other, two splits, a mean, a ratio of sums and a root of one."""
    rng = np.random.default_rng(seed)
    splits = []
    for _ in range(2):
        values = np.where(rng.random(n) < 0.2, np.nan, rng.random(n))
        counts = rng.integers(0, 4, n).astype(float)
        errors = rng.random(n) * counts
        splits.append(figures(ndcg=Sums.mean(values), mae=Sums(errors, counts), rmse=Sums(errors, counts, root=True)))
    found = resample(splits, ["ndcg", "mae", "rmse"], resamples=20, seed=seed)
    drawn = np.random.default_rng(seed).integers(n, size=(20, n))
    for number, users in enumerate(drawn):
        for place, name in enumerate(found.names):
            of_splits = []
            for split in splits:
                above = sum(split.sums[name].numerators[user] for user in users)
                below = sum(split.sums[name].denominators[user] for user in users)
                if below:
                    of_splits.append((above / below) ** (0.5 if name == "rmse" else 1.0))
            expected = np.mean(of_splits) if of_splits else np.nan
            assert found.distribution[number, place] == pytest.approx(expected, nan_ok=True)


def test_a_jackknife_by_hand() -> None:
    """Acceleration from leaving out each user, for RMSE over users with several ratings."""
    errors, counts = np.array([4.0, 1.0, 9.0, 2.0]), np.array([2.0, 1.0, 3.0, 4.0])
    found = resample([figures(rmse=Sums(errors, counts, root=True))], ["rmse"], resamples=5)
    left_out = np.array([np.sqrt((16 - e) / (10 - c)) for e, c in zip(errors, counts, strict=True)])
    influence = left_out.mean() - left_out
    assert found.acceleration[0] == pytest.approx((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
    assert found.estimates[0] == pytest.approx(np.sqrt(1.6))


@pytest.mark.parametrize("kind", ["mean of a skewed figure", "RMSE, ratings clustered by user"])
def test_intervals_hold_the_truth_as_often_as_they_say(kind: str) -> None:
    """95 % nominal; with 300 simulated data sets the share found has a standard error of 1.3 %."""
    rng = np.random.default_rng(11)
    inside = 0
    for number in range(300):
        if kind.startswith("mean"):
            own = figures(x=Sums.mean(rng.exponential(1.0, 80)))
            truth = 1.0
        else:
            # Users differ in how well they are predicted: a bootstrap over ratings would be too narrow here.
            spread = np.sqrt(rng.exponential(1.0, 120))
            counts = rng.integers(1, 30, 120)
            errors = np.array([np.sum((s * rng.normal(size=c)) ** 2) for s, c in zip(spread, counts, strict=True)])
            own = figures(x=Sums(errors, counts.astype(float), root=True))
            truth = 1.0
        interval = resample([own], ["x"], resamples=400, seed=number).interval("x")
        assert interval is not None
        inside += interval[0] <= truth <= interval[1]
    assert 0.90 <= inside / 300 <= 0.98


def test_what_has_no_interval() -> None:
    nobody = resample([figures(x=Sums.mean(np.full(4, np.nan)))], ["x"], resamples=10)
    assert nobody.interval("x") is None
    assert percentile_interval(nobody.distribution[:, 0]) is None
    same = resample([figures(x=Sums.mean(np.full(4, 0.5)))], ["x"], resamples=10)
    assert same.interval("x") == (0.5, 0.5)
    assert same.acceleration[0] == 0.0
    empty = resample([UserFigures(np.zeros(0, dtype=np.int64), {"x": Sums.mean(np.zeros(0))})], ["x"], resamples=3)
    assert empty.interval("x") is None


def test_a_user_of_two_splits_is_one_user() -> None:
    one = UserFigures(np.array([1, 4]), {"x": Sums.mean(np.array([0.2, 0.6]))})
    two = UserFigures(np.array([4, 7]), {"x": Sums.mean(np.array([1.0, np.nan]))})
    splits = aligned([one, two])
    assert [split.users.tolist() for split in splits] == [[1, 4, 7]] * 2
    assert user_means(splits, "x") == pytest.approx([0.2, 0.8, np.nan], nan_ok=True)
    joined = UserFigures.joined([one, UserFigures(two.users, {"y": two.sums["x"]})])
    assert joined.sums["x"].value == pytest.approx(0.4)
    assert joined.sums["y"].value == 1.0
    assert np.isnan(Sums(np.zeros(2), np.zeros(2)).value)
