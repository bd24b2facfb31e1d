"""The ways protocols split ratings: functions that make `Cut`s from their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    user_holdout,
    users_of,
)

Masks = tuple[str, Mask, Mask, Mask]
"""Name of a split, and the entries of train, history and test."""

Cut = Callable[[Ratings, NDArray[np.int64]], Iterator[Masks]]
"""Ratings and the order of their entries in the file → splits."""


def _in_order(order: NDArray[np.int64], chosen: Mask) -> Mask:
    """A mask over the entries from one over the entries in order."""
    mask = np.zeros(len(order), dtype=np.bool_)
    mask[order] = chosen
    return mask


def _simple(name: str, train: Mask) -> Masks:
    return name, train, train, ~train


def per_user(share: float, *seeds: int) -> Cut:
    """Each user's ratings in file order, the first `round(share · n)` of `RandomState(seed).permutation(n)` train."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        users = users_of(ratings)[order]
        for seed in seeds:
            yield _simple(f"seed {seed}", _in_order(order, random_per_user(users, share, seed)))

    return cut


def folds(n_folds: int, seed: int) -> Cut:
    """Surprise's `KFold(random_state=seed)` over the file order."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        for number, train in enumerate(kfold(len(ratings), n_folds, seed), start=1):
            yield _simple(f"fold {number}", _in_order(order, train))

    return cut


def holdouts(share: float, *seeds: int) -> Cut:
    """Random parts of all ratings, over the file order."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        for seed in seeds:
            yield _simple(f"seed {seed}", _in_order(order, random_holdout(len(ratings), share, seed)))

    return cut


def by_time(share: float) -> Cut:
    """Everything before one moment is training."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        del order
        yield _simple("temporal", temporal(ratings.times, share))

    return cut


def newest(n: int) -> Cut:
    """Each user's n newest ratings are test."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        del order
        yield _simple(f"newest {n}", leave_last_out(users_of(ratings), ratings.times, n))

    return cut


def new_users(part: float, share: float, *seeds: int) -> Cut:
    """Strong generalisation: a part of the users is held out and shown with `share` of their ratings."""

    def cut(ratings: Ratings, order: NDArray[np.int64]) -> Iterator[Masks]:
        users = users_of(ratings)[order]
        for seed in seeds:
            held = max(1, round(part * ratings.n_users))
            masks = user_holdout(users, ratings.n_users, held, share, seed)
            train, history, test = (_in_order(order, mask) for mask in masks)
            yield f"seed {seed}", train, history, test

    return cut


def liked_ten_core(ratings: Ratings) -> Mask:
    """Ratings of 4 stars and more, then the iterative 10-core."""
    liked: Mask = ratings.values >= 4
    liked[liked] = k_core(users_of(ratings)[liked], ratings.indices[liked], 10)
    return liked
