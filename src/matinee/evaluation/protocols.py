"""Named protocols: which data, which split, which metrics, and what others have published for exactly that.

The splits themselves are made by `matinee.evaluation.splitters`. Validation asks a fixed fifth of the users
(`validation_users`), whom our own protocols do not test, and of their ratings only those that are in no test part of a
published protocol (`published_tests`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.data.split import Mask, file_order, validation_users
from matinee.errors import InvalidInputError, NotFoundError
from matinee.evaluation.peers import PEERS, Peer
from matinee.evaluation.references import last_month
from matinee.evaluation.relevance import Relevance
from matinee.evaluation.splitters import (
    Cut,
    Entries,
    by_time,
    few_likes,
    folds,
    four_stars,
    holdouts,
    liked_ten_core,
    new_users,
    newest,
    per_user,
)
from matinee.models.base import Model
from matinee.models.preference import Scale


@dataclass(frozen=True)
class EvaluationSource:
    """A data set and, where known, the rows of its file of ratings in order (`user_id`, `movie_id`)."""

    dataset: Dataset
    rows: pl.DataFrame | None = None

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Entries of the ratings matrix in the order of the file (by user and movie where the file is not known)."""
        ratings = self.dataset.ratings
        if self.rows is None:
            return np.arange(len(ratings), dtype=np.int64)
        return file_order(ratings, self.dataset.catalog, self.rows)


@dataclass(frozen=True)
class Question:
    """What a model is shown, and what it is asked; both matrices have the same users and movies."""

    name: str
    history: Ratings
    test: Ratings


@dataclass(frozen=True)
class Split:
    """One split; the three matrices have the same users and movies.

    Attributes:
        name: e.g. "fold 1" or "seed 42".
        train: what models are fitted on.
        history: what they are shown when asked (the same as train, except in strong generalization).
        test: what they are asked.
        questions: several in the place of history and test, which are the first of them; metrics get their names.
    """

    name: str
    train: Ratings
    history: Ratings
    test: Ratings
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """A way to measure.

    Attributes:
        name: as users write it.
        description: one line.
        dataset: the data set it is made for; None: any.
        cut: makes the splits.
        inner: of a published protocol, which tests every user: splits a training part again for validation. None: our
            own protocol, whose test part is that of the users who are not kept for validation.
        prepare: which entries of the data take part, by the ratings and the scale.
        binary: all ratings that take part count the same.
        tasks: "ranking" (all movies ranked, seen ones removed) and/or "stars" (error of predicted stars).
        relevant: "all": every test movie; "likes": those that the user liked (`matinee.evaluation.relevance`).
        k: length of the lists.
        needs_order: the split depends on the order of the file.
        cross_validation: every rating is in the test part of one of the splits, so that no validation part of this data
            set can avoid them all; it avoids that of its own split.
        references: makes models that are measured beside those asked for.
    """

    name: str
    description: str
    cut: Cut
    inner: Cut | None = None
    dataset: str | None = None
    prepare: Callable[[Ratings, Scale], Mask] | None = None
    binary: bool = False
    tasks: tuple[str, ...] = ("ranking",)
    relevant: Relevance = "all"
    k: int = 10
    needs_order: bool = False
    cross_validation: bool = False
    references: Callable[[], dict[str, Model[Any]]] = dict

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Published figures for exactly this protocol."""
        return PEERS.get(self.name, ())

    def data(self, source: EvaluationSource) -> Dataset:
        """What models may know of the movies; fit them on this with a split's training ratings.

        No movie has tags (`without_user_tags`), and where all ratings count the same the scale has one value.
        """
        dataset = without_user_tags(source.dataset)
        return replace(dataset, scale=(1.0, 1.0)) if self.binary else dataset

    def needs_file(self, dataset: str, *, validation: bool = False) -> bool:
        """Whether the splits of a data set, by its name, depend on the order of its file of ratings.

        For validation they do as well where a published split that they avoid does.
        """
        return self.needs_order or (validation and any(other.needs_order for other in _published(dataset, self)))

    def splits(self, source: EvaluationSource, *, validation: bool = False) -> Iterator[Split]:
        """The splits of a data set.

        Args:
            validation: ask the validation users alone, for nothing that is in a printed test part; see
                `published_tests` for the exception. Published protocols split each training part again.
        """
        keep, entries = self._entries(source)
        ratings, validators = entries.ratings, validation_users(entries.ratings.user_ids)
        # Ratings that are taken out of a validation part are not learned from instead: what models are fitted on
        # stays as dense as the cut makes it.
        free = ~published_tests(source, self)[keep] if validation else np.ones(len(ratings), dtype=np.bool_)
        if self.inner is None:
            entries = replace(entries, validators=validators, validation=validation)
        for masks in self.cut(entries):
            if self.inner is not None and validation:
                train = ratings.select(masks.train)
                order = _order_of_kept(entries.order, masks.train)
                inner = Entries(train, order, entries.scale, validators, validation)
                _, fit, history, test, _ = next(self.inner(inner))
                test = test & free[masks.train]
                yield Split(f"{masks.name}, validation", train.select(fit), train.select(history), train.select(test))
                continue
            yield Split(
                masks.name + ", validation" * validation,
                ratings.select(masks.train),
                ratings.select(masks.history),
                ratings.select(masks.test & free),
                questions=tuple(
                    Question(stage.name, ratings.select(stage.history), ratings.select(stage.test & free))
                    for stage in masks.stages
                ),
            )

    def _entries(self, source: EvaluationSource) -> tuple[Mask, Entries]:
        """Which ratings of the data take part, (n_ratings,), and those, for the cut."""
        ratings, scale = source.dataset.ratings, source.dataset.scale
        order = source.order if self.needs_order else np.arange(len(ratings), dtype=np.int64)
        keep = np.ones(len(ratings), dtype=np.bool_)
        if self.prepare is not None:
            keep = self.prepare(ratings, scale)
            ratings, order = ratings.select(keep), _order_of_kept(order, keep)
        return keep, Entries(_with_ones(ratings) if self.binary else ratings, order, scale)


def published_tests(source: EvaluationSource, protocol: Protocol) -> Mask:
    """Ratings that no validation part of a protocol may ask for, (n_ratings,).

    They are the test parts of all splits of all published protocols that are made for the data set, and of `protocol`
    itself if it is a published one. Our own protocols test other users than those asked for validation.
    Cross-validation is left out, as it tests every rating.
    """
    ratings = source.dataset.ratings
    matches = np.zeros(len(ratings), dtype=np.bool_)
    for other in _published(source.dataset.name, protocol):
        keep, entries = other._entries(source)
        for masks in other.cut(entries):
            matches[np.flatnonzero(keep)[masks.test]] = True
        if not keep.all():
            # What a preparation leaves out (few stars, for one) is cut alike. It is in no test part, but without this
            # it would outweigh the rest in validation: of five random fifths a third of the likes would remain, and
            # all dislikes.
            rest = Entries(ratings.select(~keep), np.arange(int((~keep).sum())), source.dataset.scale)
            for masks in other.cut(rest):
                matches[np.flatnonzero(~keep)[masks.test]] = True
    return matches


def _published(dataset: str, protocol: Protocol) -> list[Protocol]:
    """The published protocols whose test parts a validation part of `protocol` on a data set avoids."""
    others = [other for other in PROTOCOLS.values() if other.dataset == dataset and other != protocol]
    return [other for other in (*others, protocol) if other.inner is not None and not other.cross_validation]


def _with_ones(ratings: Ratings) -> Ratings:
    ones = np.ones(len(ratings), dtype=np.float32)
    return Ratings(ratings.user_ids, ratings.indptr, ratings.indices, ones, ratings.times, ratings.n_items)


def _order_of_kept(order: NDArray[np.int64], keep: Mask) -> NDArray[np.int64]:
    """The order of the entries that a mask keeps, renumbered."""
    number = np.cumsum(keep) - 1
    return number[order[keep[order]]].astype(np.int64)


_VALIDATION = 7
"""Seed of the inner splits, used by no outer one."""

_PROTOCOLS = (
    Protocol(
        "ml-100k-topn",
        "per-user random 75:25 (RandomState(42), file order), every rating relevant, k=10",
        per_user(0.75, 42),
        per_user(0.75, _VALIDATION),
        dataset="ml-100k",
        needs_order=True,
    ),
    Protocol(
        "ml-100k-ratings",
        "5 folds of RandomState(0).shuffle over the file order, error of predicted stars",
        folds(5, 0),
        holdouts(0.8, _VALIDATION),
        dataset="ml-100k",
        tasks=("stars",),
        needs_order=True,
        cross_validation=True,
    ),
    Protocol(
        "ml-1m-topn",
        "ratings of 4 and more, iterative 10-core, five random 80:20, k=10",
        holdouts(0.8, 0, 1, 2, 3, 4),
        holdouts(0.8, _VALIDATION),
        dataset="ml-1m",
        prepare=liked_ten_core,
    ),
    Protocol(
        "ml-1m-ratings",
        "random 90:10 over the file order, three seeds, error of predicted stars",
        holdouts(0.9, 0, 1, 2),
        holdouts(0.9, _VALIDATION),
        dataset="ml-1m",
        tasks=("stars",),
        needs_order=True,
    ),
    Protocol(
        "ml-1m-folds",
        "5 folds of RandomState(0).shuffle over the file order, error of predicted stars",
        folds(5, 0),
        holdouts(0.8, _VALIDATION),
        dataset="ml-1m",
        tasks=("stars",),
        needs_order=True,
        cross_validation=True,
    ),
    Protocol(
        "ml-latest-small-ratings",
        "random 80:20 over the file order, three seeds, error of predicted stars",
        holdouts(0.8, 0, 1, 2),
        holdouts(0.8, _VALIDATION),
        dataset="ml-latest-small",
        tasks=("stars",),
        needs_order=True,
    ),
    Protocol(
        "likes",
        "any data: per-user random 75:25 over the file order, two seeds; relevant is what the user liked: more stars "
        "than the own mean, from two thirds of the scale up; k=10",
        per_user(0.75, 0, 1),
        relevant="likes",
        needs_order=True,
    ),
    Protocol(
        "few",
        "any data: a tenth of the users is held out and shown with 0, 1, 3, 5 and 10 likes, all their other likes are "
        "asked, two seeds, k=10",
        few_likes(0.1, (0, 1, 3, 5, 10), 5, 0, 1),
    ),
    Protocol(
        "implicit",
        "any data: ratings of four stars and more, all counting the same; per-user random 80:20, two seeds, k=20",
        per_user(0.8, 0, 1),
        prepare=four_stars,
        binary=True,
        k=20,
    ),
    Protocol(
        "holdout",
        "any data: per-user random 80:20, every rating relevant, k=10, and error of predicted stars",
        per_user(0.8, 0),
        tasks=("ranking", "stars"),
    ),
    Protocol(
        "temporal",
        "any data with times: learn from the first 80 % in time, ask about the rest, all films ranked, k=10",
        by_time(0.8),
        tasks=("ranking", "stars"),
        references=last_month,
    ),
    Protocol(
        "leave-last-out",
        "any data with times: each user's newest rating is asked, all films ranked, k=10",
        newest(1),
    ),
    Protocol(
        "new-users",
        "any data: a tenth of the users is held out and shown with 80 % of their ratings, k=10",
        new_users(0.1, 0.8, 0),
    ),
)
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _PROTOCOLS}
"""All protocols by name."""


def get_protocol(name: str) -> Protocol:
    """A protocol by its name.

    Raises:
        NotFoundError: naming those there are.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise NotFoundError(f"There is no protocol {name!r}.", f"Choose one of: {', '.join(PROTOCOLS)}.") from None


def check_tasks(protocol: Protocol, split: Split) -> None:
    """Refuse a split that asks nothing.

    Raises:
        InvalidInputError: no ratings to learn from, or none to ask about.
    """
    if len(split.train) == 0 or len(split.test) == 0:
        raise InvalidInputError(
            f"{protocol.name} leaves nothing to {'learn from' if len(split.train) == 0 else 'ask about'} in this data.",
            "Use more data or the protocol `holdout`; validation asks a fifth of the users about some of their films.",
        )


TEXT = "text"
"""Space of vectors that are made of a movie's tags too (`matinee.encoders.movie_texts`)."""


def without_user_tags(dataset: Dataset) -> Dataset:
    """The same data, no movie with a tag, and no vectors of texts that hold tags.

    Tags are written by users, some of them about the very movies that they are asked for. Which user wrote a tag is not
    kept when data are read, so that those of other users cannot be told apart: all of them go.
    """
    catalog = dataset.catalog.without_tags()
    if catalog is dataset.catalog:
        return dataset
    vectors = {space: movies for space, movies in dataset.vectors.items() if space != TEXT}
    return replace(dataset, catalog=catalog, vectors=vectors)
