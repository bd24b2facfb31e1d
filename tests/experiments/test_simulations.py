"""Experiments on simulated users, whose truth is known."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from matinee.experiments import (
    Sample,
    always_valid,
    assign,
    doubly_robust,
    explore,
    fixed_horizon,
    ips,
    preference,
    snips,
    team_draft,
)

SIMULATIONS, LOOKS, STEP = 1000, 40, 250


def arm(rng: np.random.Generator, rate: float) -> Sample:
    """Experiments x looks: users and successes up to each look."""
    successes = rng.binomial(STEP, rate, (SIMULATIONS, LOOKS)).cumsum(axis=1)
    return Sample.proportion(np.arange(1.0, LOOKS + 1) * STEP, successes)


def test_a_fixed_horizon_errs_at_its_level_if_read_once_and_an_always_valid_test_never_more_often() -> None:
    rng = np.random.default_rng(15)
    first, second = arm(rng, 0.2), arm(rng, 0.2)
    fixed, sequential = fixed_horizon(first, second), always_valid(first, second, effect=0.02)
    assert 0.04 <= (np.asarray(fixed.p)[:, -1] < 0.05).mean() <= 0.06
    assert (np.asarray(fixed.p) < 0.05).any(axis=1).mean() > 0.2  # peeking
    assert (np.asarray(sequential.p) < 0.05).any(axis=1).mean() <= 0.05
    assert ((np.asarray(sequential.low) > 0) == ((np.asarray(sequential.p) < 0.05) & (sequential.difference > 0))).all()


def test_a_known_effect_is_found_and_its_interval_covers_it_at_every_look() -> None:
    rng = np.random.default_rng(16)
    first, second = arm(rng, 0.2), arm(rng, 0.22)
    fixed, sequential = fixed_horizon(first, second), always_valid(first, second, effect=0.02)
    # Normal approximation: power of a two-sided 5 % test at 10,000 users an arm is .935.
    assert 0.90 <= (np.asarray(fixed.p)[:, -1] < 0.05).mean() <= 0.97
    assert (np.asarray(sequential.p) < 0.05).any(axis=1).mean() > 0.7
    covered = (np.asarray(sequential.low) <= 0.02) & (np.asarray(sequential.high) >= 0.02)
    assert covered.all(axis=1).mean() >= 0.95


def test_users_are_shared_out_as_stated_and_independently_of_other_experiments() -> None:
    users = [str(number) for number in range(20_000)]
    shares = (0.5, 0.3, 0.2)
    arms = np.array([assign("rows", user, shares) for user in users])
    others = np.array([assign("posters", user, shares) for user in users])
    expected = np.outer(shares, shares).ravel() * len(users)
    assert chisquare(np.bincount(arms * 3 + others, minlength=9), expected).pvalue > 0.001
    with pytest.raises(ValueError, match="sum to 1"):
        assign("rows", "1", (0.5, 0.6))


def test_propensities_of_exploration_are_how_often_lists_come() -> None:
    rng, lists = np.random.default_rng(17), Counter[tuple[str, ...]]()
    stated: dict[tuple[str, ...], float] = {}
    for _ in range(8000):
        chosen, propensities = explore("abcd", 2, 0.4, rng)
        lists[tuple(chosen)] += 1
        stated[tuple(chosen)] = float(propensities.prod())
    assert len(stated) == 12
    assert sum(stated.values()) == pytest.approx(1)
    assert chisquare([lists[key] for key in stated], [8000 * p for p in stated.values()]).pvalue > 0.001
    assert explore("abc", 3, 0.0, rng)[0] == ["a", "b", "c"]


def test_a_team_draft_prefers_neither_of_two_rankings_by_chance_and_the_better_one_by_clicks() -> None:
    rng, first, second = np.random.default_rng(18), list("abcdefgh"), list("hgfedcba")
    wins: list[int] = []
    good: list[int] = []
    for _ in range(4000):
        movies, teams = team_draft(first, second, 6, rng)
        assert len(set(movies)) == 6
        assert teams.count(0) == 3
        wins.append(preference(movies, teams, {movie for movie in movies if rng.random() < 0.3}))
        good.append(preference(movies, teams, {"a", "b"}))
    assert abs(np.mean(wins)) < 4 * np.std(wins) / np.sqrt(len(wins))
    assert set(good) == {-1}
    assert team_draft(["a"], ["a"], 5, rng)[0] == ["a"]


def test_off_policy_intervals_cover_the_truth() -> None:
    rng, size, repeats = np.random.default_rng(19), 2000, 400
    logged, target, rates = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.4])
    truth, guesses = float(target @ rates), np.array([0.15, 0.15, 0.3])
    covered = Counter[str]()
    values: dict[str, list[float]] = {"ips": [], "snips": [], "dr": []}
    for _ in range(repeats):
        choices = rng.choice(3, size, p=logged)
        rewards = (rng.random(size) < rates[choices]).astype(float)
        data = rewards, logged[choices], target[choices]
        model = guesses[choices], np.full(size, float(target @ guesses))
        for name, estimate in (("ips", ips(*data)), ("snips", snips(*data)), ("dr", doubly_robust(*data, *model))):
            covered[name] += estimate.low <= truth <= estimate.high
            values[name].append(estimate.value)
            assert 0 < estimate.effective_size < size
    for name, found in values.items():
        assert 0.92 <= covered[name] / repeats <= 0.98, name
        assert abs(np.mean(found) - truth) < 4 * np.std(found) / np.sqrt(repeats), name
    with pytest.raises(ValueError, match="above 0"):
        ips(np.ones(1), np.zeros(1), np.ones(1))


def test_off_policy_intervals_take_users_as_the_unit() -> None:
    """Users of whom each takes all or nothing: their choices are no independent ones."""
    rng, users, each, repeats = np.random.default_rng(20), 200, 10, 400
    of_user = np.repeat(np.arange(users), each)
    covered = Counter[str]()
    for _ in range(repeats):
        choices = rng.choice(2, users * each, p=(0.7, 0.3))
        rewards = (rng.random(users) < 0.3)[of_user].astype(np.float64)
        data = rewards, np.array([0.7, 0.3])[choices], np.array([0.4, 0.6])[choices]
        for name, numbers in (("choices", None), ("users", of_user)):
            for method in (ips, snips):
                estimate = method(*data, users=numbers)
                covered[name] += estimate.low <= 0.3 <= estimate.high
    assert covered["choices"] / (2 * repeats) < 0.7
    assert 0.92 <= covered["users"] / (2 * repeats) <= 0.98
