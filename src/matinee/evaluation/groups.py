"""Accuracy by groups: users by the size of their history, gender and age; movies by popularity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee.data.ratings import Ratings
from matinee.data.split import users_of
from matinee.evaluation.figures import Sums, UserFigures
from matinee.evaluation.measure import Predicted, Ranked
from matinee.evaluation.user_traits import Traits

HISTORY = ("new", "regular", "heavy")
DECILES = 10


class GroupKey(NamedTuple):
    """Which figure of which group: ("ndcg@10", "history", "new")."""

    metric: str
    dimension: str
    group: str

    @property
    def name(self) -> str:
        """The name of the figure: "ndcg@10 (history: new)"."""
        return f"{self.metric} ({self.dimension}: {self.group})"


class GroupResult(BaseModel):
    """A figure of one group, mean over the splits.

    Attributes:
        dimension: "history", "popularity", "gender" or "age".
        users: who count in any split.
    """

    model_config = ConfigDict(frozen=True)

    dimension: str
    group: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    users: int


@dataclass(frozen=True)
class UserGroups:
    """Groups of all users of a data set.

    Attributes:
        labels: dimension → groups in the order of their display.
        members: dimension → (n_users,), place in the labels, −1 for none.
        notes: how the groups are drawn.
    """

    labels: Mapping[str, tuple[str, ...]]
    members: Mapping[str, NDArray[np.int64]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, history: Ratings, tested: NDArray[np.int64], traits: Traits) -> UserGroups:
        """Terciles of the history sizes of the users who are tested, and what is known about users by id.

        Args:
            history: what models are shown.
            tested: rows of the users.
        """
        labels: dict[str, tuple[str, ...]] = {}
        members: dict[str, NDArray[np.int64]] = {}
        notes = []
        sizes = np.diff(history.indptr)
        if len(tested) and len(np.unique(sizes[tested])) >= len(HISTORY):
            low, high = (int(size) for size in np.quantile(sizes[tested], [1 / 3, 2 / 3], method="lower"))
            labels["history"] = HISTORY
            members["history"] = np.searchsorted([low, high], sizes).astype(np.int64)
            notes.append(
                f"History, by terciles of the users tested: new up to {low} ratings, regular up to {high}, heavy more."
            )
        ids = history.user_ids.to_list()
        for trait, groups in traits.items():
            known = sorted(set(groups.values()), key=lambda group: (not group.startswith("under"), group))
            if len(known) > 1:
                places = {group: place for place, group in enumerate(known)}
                labels[trait] = tuple(known)
                members[trait] = np.array([places.get(groups.get(user_id, ""), -1) for user_id in ids], dtype=np.int64)
        return cls(labels, members, tuple(notes))

    def split_up(self, metric: str, figures: UserFigures) -> Iterator[tuple[GroupKey, Sums]]:
        """A figure of each group of users."""
        sums = figures.sums[metric]
        for dimension, labels in self.labels.items():
            own = self.members[dimension][figures.users]
            for place, label in enumerate(labels):
                inside = own == place
                yield (
                    GroupKey(metric, dimension, label),
                    Sums(np.where(inside, sums.numerators, 0.0), np.where(inside, sums.denominators, 0.0), sums.root),
                )


def popularity_deciles(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Decile of each movie by its number of training ratings, (n_items,): 1 least … 10 most rated; 0 without ratings.

    Each has the same number of movies (within one); of equal counts the first rows come first.
    """
    result = np.zeros(len(counts), dtype=np.int64)
    rated = np.flatnonzero(counts > 0)
    order = rated[np.argsort(counts[rated], kind="stable")]
    result[order] = 1 + np.arange(len(order)) * DECILES // max(len(order), 1)
    return result


def decile_label(decile: int) -> str:
    """The group of a decile: "1", or "unrated" for movies without training ratings."""
    return str(decile) if decile else "unrated"


def recall_by_decile(ranked: Ranked, deciles: NDArray[np.int64], k: int) -> Iterator[tuple[GroupKey, Sums]]:
    """Share of the relevant movies of each decile that are listed, over all users together.

    Args:
        deciles: (n_items,), see `popularity_deciles`.
    """
    users, relevant = ranked.figures.users, ranked.relevant
    owners = users_of(relevant)
    place_of = np.full(relevant.n_users, -1, dtype=np.int64)
    place_of[users] = np.arange(len(users))
    n_items = relevant.n_items
    listed = (np.arange(len(users))[:, None] * n_items + ranked.lists)[ranked.lists >= 0]
    owners = place_of[owners]
    asked = owners >= 0
    owners, movies = owners[asked], relevant.indices[asked].astype(np.int64)
    hit = np.isin(owners * n_items + movies, listed)
    for decile in range(DECILES + 1):
        inside = deciles[movies] == decile
        yield (
            GroupKey(f"recall@{k}", "popularity", decile_label(decile)),
            Sums.by_owner(owners, len(users), hit, inside),
        )


def error_by_decile(predicted: Predicted, deciles: NDArray[np.int64]) -> Iterator[tuple[GroupKey, Sums]]:
    """RMSE of the ratings of each decile of movies."""
    n = len(predicted.figures.users)
    squares = (predicted.predicted.astype(np.float64) - predicted.actual) ** 2
    for decile in range(DECILES + 1):
        inside = deciles[predicted.movies] == decile
        yield (
            GroupKey("rmse", "popularity", decile_label(decile)),
            Sums.by_owner(predicted.owners, n, squares, inside, root=True),
        )


def group_figures(
    ranked: Ranked | None, predicted: Predicted | None, groups: UserGroups, deciles: NDArray[np.int64], k: int
) -> dict[GroupKey, Sums]:
    """All figures of all groups of one model on one split; over the users of `ranked`, or else of `predicted`."""
    result: dict[GroupKey, Sums] = {}
    if ranked is not None:
        result |= dict(groups.split_up(f"ndcg@{k}", ranked.figures))
        result |= dict(recall_by_decile(ranked, deciles, k))
    if predicted is not None:
        result |= dict(groups.split_up("rmse", predicted.figures))
        result |= dict(error_by_decile(predicted, deciles))
    return result
