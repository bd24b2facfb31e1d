"""Paired tests against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matinee.evaluation.bootstrap import resample
from matinee.evaluation.comparison import compare, holm, lower_is_better, signed_rank_p
from matinee.evaluation.figures import Sums, UserFigures


def test_holm_by_hand() -> None:
    # Sorted: .005·4 = .02, .01·3 = .03, .03·2 = .06, .04·1 = .04 but not below .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_signed_ranks_by_hand() -> None:
    # All five differences are positive: of 2^5 signs one is as extreme on each side.
    assert signed_rank_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(2 / 32)
    assert signed_rank_p(np.array([0.0, 0.0, np.nan])) == 1.0
    assert signed_rank_p(np.full(3, np.nan)) == 1.0


@pytest.mark.parametrize("users", [2, 3, 7, 10])
def test_few_signed_ranks_with_equals_are_those_of_scipy_over_all_signs(users: int) -> None:
    x = np.random.default_rng(users).integers(-2, 4, users) / 2
    x[0] = 0.5
    expected = stats.wilcoxon(x, zero_method="pratt", method=stats.PermutationMethod(n_resamples=10**4)).pvalue
    assert signed_rank_p(x) == pytest.approx(expected)


def test_one_that_differs_among_many() -> None:
    assert signed_rank_p(np.append(np.zeros(99), 1.0)) == pytest.approx(0.3173, abs=1e-4)  # one standard deviation


@pytest.mark.parametrize("zeros", [0, 40])
def test_signed_ranks_are_those_of_scipy(zeros: int) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0.1, 1, 120).round(1), np.zeros(zeros)])
    expected = stats.wilcoxon(x, np.zeros_like(x), zero_method="pratt").pvalue
    assert signed_rank_p(np.append(x, np.nan)) == pytest.approx(expected)
    assert signed_rank_p(-x) == pytest.approx(expected)


def compared(values: dict[str, dict[str, np.ndarray]], reference: str) -> dict[str, dict[str, object]]:
    splits, drawn = {}, {}
    for name, own in values.items():
        n = len(next(iter(own.values())))
        sums = {figure: Sums.mean(x) for figure, x in own.items()}
        splits[name] = [UserFigures(np.arange(n, dtype=np.int64), sums)]
        drawn[name] = resample(splits[name], list(sums), resamples=500)
    figures = list(dict.fromkeys(figure for own in values.values() for figure in own))
    found = compare(reference, figures, splits, drawn)
    return {name: {figure: entry.model_dump() for figure, entry in own.items()} for name, own in found.items()}


def test_a_constant_lead_has_an_interval_of_no_width() -> None:
    """The draws are shared: what users have in common cancels out."""
    base = np.random.default_rng(0).random(30)
    found = compared({"a": {"ndcg@10": base}, "b": {"ndcg@10": base - 0.1}}, "a")
    entry = found["b"]["ndcg@10"]
    assert entry["difference"] == pytest.approx(-0.1)
    assert entry["interval"] == pytest.approx((-0.1, -0.1))
    assert (entry["better"], entry["worse"], entry["equal"]) == (0, 30, 0)
    assert entry["p"] < 1e-5
    assert found["a"] == {}


def test_family_and_direction() -> None:
    rng = np.random.default_rng(1)
    errors = rng.random(50)
    noise = {name: errors + 0.02 * shift + 0.1 * rng.normal(size=50) for name, shift in (("b", -3), ("c", 0))}
    found = compared({"a": {"rmse": errors, "coverage": errors}, **{n: {"rmse": x} for n, x in noise.items()}}, "a")
    raw = [found[name]["rmse"]["p"] for name in ("b", "c")]
    assert [found[name]["rmse"]["p_holm"] for name in ("b", "c")] == pytest.approx(holm(raw))
    assert found["b"]["rmse"]["better"] == int((noise["b"] < errors).sum())
    assert "coverage" not in found["b"]
    assert lower_is_better("disliked@10")
    assert not lower_is_better("ndcg@10/3")


def test_a_reference_without_stars_gives_way_to_the_best() -> None:
    x = np.linspace(0.1, 0.9, 12)
    found = compared(
        {"lists": {"ndcg@10": x}, "good": {"ndcg@10": x / 2, "rmse": x}, "bad": {"ndcg@10": x / 3, "rmse": 2 * x}},
        "lists",
    )
    assert found["bad"]["rmse"]["reference"] == "good"
    assert "rmse" not in found["good"]
    assert found["bad"]["ndcg@10"]["reference"] == "lists"
