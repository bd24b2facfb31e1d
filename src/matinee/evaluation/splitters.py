"""The ways protocols split ratings: functions that make `Cut`s from their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import Ratings
from matinee.data.split import (
    Mask,
    k_core,
    kfold,
    leave_last_out,
    random_holdout,
    random_per_user,
    temporal,
    users_of,
)
from matinee.evaluation.relevance import at_least_liked, is_flat
from matinee.models.preference import Scale


@dataclass(frozen=True)
class Entries:
    """What a cut is made of.

    Attributes:
        order: the entries in the order of the file.
        validators: (n_users,), the users kept for validation; None: there are none.
        validation: ask these users, and not the others.
    """

    ratings: Ratings
    order: NDArray[np.int64]
    scale: Scale = (0.5, 5.0)
    validators: Mask | None = None
    validation: bool = False

    @property
    def eligible(self) -> Mask:
        """Users who may be asked, (n_users,)."""
        if self.validators is None:
            return np.ones(self.ratings.n_users, dtype=np.bool_)
        return self.validators if self.validation else ~self.validators


class Stage(NamedTuple):
    """One of several questions to the same fitted models: entries of history and test."""

    name: str
    history: Mask
    test: Mask


class Masks(NamedTuple):
    """One split: its name, the entries of train, history and test, and the further questions, if any."""

    name: str
    train: Mask
    history: Mask
    test: Mask
    stages: tuple[Stage, ...] = ()


Cut = Callable[[Entries], Iterator[Masks]]
"""Entries → splits."""


def _in_order(order: NDArray[np.int64], chosen: Mask) -> Mask:
    """A mask over the entries from one over the entries in order."""
    mask = np.zeros(len(order), dtype=np.bool_)
    mask[order] = chosen
    return mask


def _simple(name: str, train: Mask, entries: Entries) -> Masks:
    """All training parts are used for fitting; of the held-out parts only those of the users to be measured."""
    return Masks(name, train, train, ~train & entries.eligible[users_of(entries.ratings)])


def per_user(share: float, *seeds: int) -> Cut:
    """Each user's ratings in file order, the first `round(share · n)` of `RandomState(seed).permutation(n)` train."""

    def cut(entries: Entries) -> Iterator[Masks]:
        users = users_of(entries.ratings)[entries.order]
        for seed in seeds:
            train = _in_order(entries.order, random_per_user(users, share, seed))
            yield _simple(f"seed {seed}", train, entries)

    return cut


def folds(n_folds: int, seed: int) -> Cut:
    """Surprise's `KFold(random_state=seed)` over the file order."""

    def cut(entries: Entries) -> Iterator[Masks]:
        for number, train in enumerate(kfold(len(entries.ratings), n_folds, seed), start=1):
            yield _simple(f"fold {number}", _in_order(entries.order, train), entries)

    return cut


def holdouts(share: float, *seeds: int) -> Cut:
    """Random parts of all ratings, over the file order."""

    def cut(entries: Entries) -> Iterator[Masks]:
        for seed in seeds:
            train = _in_order(entries.order, random_holdout(len(entries.ratings), share, seed))
            yield _simple(f"seed {seed}", train, entries)

    return cut


def by_time(share: float) -> Cut:
    """Everything before one moment is training."""

    def cut(entries: Entries) -> Iterator[Masks]:
        yield _simple("temporal", temporal(entries.ratings.times, share), entries)

    return cut


def newest(n: int) -> Cut:
    """Each user's n newest ratings are test."""

    def cut(entries: Entries) -> Iterator[Masks]:
        train = leave_last_out(users_of(entries.ratings), entries.ratings.times, n)
        yield _simple(f"newest {n}", train, entries)

    return cut


def _held_out(entries: Entries, part: float, seed: int) -> tuple[Mask, Mask]:
    """Users to ask, the first of `RandomState(seed).permutation(n_users)` who may be asked, and users to learn from.

    For validation those who are held out otherwise are not learned from either: it touches no test rating at all.
    """
    n_users = entries.ratings.n_users
    n_held = max(1, round(part * n_users))
    drawn = np.random.RandomState(seed).permutation(n_users)
    held_out = np.zeros(n_users, dtype=np.bool_)
    held_out[drawn[entries.eligible[drawn]][:n_held]] = True
    unseen = held_out.copy()
    if entries.validators is not None and entries.validation:
        unseen[drawn[~entries.validators[drawn]][:n_held]] = True
    return held_out, ~unseen


def new_users(part: float, share: float, *seeds: int) -> Cut:
    """Strong generalization: a part of the users is held out and shown with `share` of their ratings (Liang 2018)."""

    def cut(entries: Entries) -> Iterator[Masks]:
        users = users_of(entries.ratings)
        for seed in seeds:
            held_out, learned = _held_out(entries, part, seed)
            in_history = _in_order(entries.order, random_per_user(users[entries.order], share, seed))
            yield Masks(f"seed {seed}", learned[users], held_out[users] & in_history, held_out[users] & ~in_history)

    return cut


def few_likes(part: float, history_sizes: tuple[int, ...], min_test_likes: int, *seeds: int) -> Cut:
    """A part of the users is held out and shown with few of their likes; all their other likes are asked.

    A like is a rating from `like_floor` up. Each user's likes are permuted once, and the first k shown, for each k of
    `history_sizes`: who is shown three movies was shown one of them before. For each k the users with k +
    `min_test_likes` likes are asked.
    """

    def cut(entries: Entries) -> Iterator[Masks]:
        ratings = entries.ratings
        users, likes = users_of(ratings), at_least_liked(ratings, entries.scale)
        n_likes = np.bincount(users[likes], minlength=ratings.n_users)
        for seed in seeds:
            held_out, learned = _held_out(entries, part, seed)
            position = np.full(len(ratings), -1, dtype=np.int64)
            random = np.random.RandomState(seed)
            for user in np.flatnonzero(held_out):
                span = np.arange(ratings.indptr[user], ratings.indptr[user + 1])
                own = span[likes[span]]
                position[own] = random.permutation(len(own))
            stages = []
            for k in history_sizes:
                eligible = (position >= 0) & (n_likes >= k + min_test_likes)[users]
                stages.append(Stage(str(k), eligible & (position < k), eligible & (position >= k)))
            yield Masks(f"seed {seed}", learned[users], stages[0].history, stages[0].test, tuple(stages))

    return cut


def liked_ten_core(ratings: Ratings, scale: Scale) -> Mask:
    """Ratings of 4 stars and more, then the iterative 10-core."""
    del scale
    liked: Mask = ratings.values >= 4
    liked[liked] = k_core(users_of(ratings)[liked], ratings.indices[liked], 10)
    return liked


def four_stars(ratings: Ratings, scale: Scale) -> Mask:
    """Ratings from three quarters up the scale (4 of 5 stars); all of them where stars say nothing."""
    low, high = scale
    if is_flat(ratings):
        return np.ones(len(ratings), dtype=np.bool_)
    return ratings.values >= low + 3 / 4 * (high - low) - 1e-6
