"""myfm: Bayesian factorization machines by Gibbs sampling, rank 10, as in its examples for MovieLens.

"FM, SVD++ both ways" knows who rated what; "with genres and days" also genres and the day of a rating, with ordered
probit: its day of the ratings asked is told, as to our `stars, told the times`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from exchange import Answers, Part, main
from myfm import MyFMGibbsRegressor, MyFMOrderedProbit, RelationBlock

RANK, SWEEPS, KEPT = 10, 300, 280
DAY = 86_400


def one_hot(rows: np.ndarray, n: int) -> Any:
    return sp.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), rows)), shape=(len(rows), n))


def blocks(part: Part, *, genres: bool) -> tuple[Any, Any, list[int]]:
    """Features of each user and of each item: who it is, who else rated it or what else was rated; group sizes."""
    n_users, n_items = part.shape.tolist()
    rated = sp.csr_matrix((np.ones(len(part.users)), (part.users, part.items)), shape=(n_users, n_items))
    by_user = sp.diags(1 / np.sqrt(np.maximum(rated.sum(axis=1).A1, 1))) @ rated
    by_item = sp.diags(1 / np.sqrt(np.maximum(rated.sum(axis=0).A1, 1))) @ rated.T
    users = [sp.identity(n_users), by_user]
    items = [sp.identity(n_items), by_item, *([sp.csr_matrix(part.genres.astype(float))] if genres else [])]
    sizes = [matrix.shape[1] for matrix in (*users, *items)]
    return sp.hstack(users).tocsr(), sp.hstack(items).tocsr(), sizes


def plain(part: Part) -> Answers:
    users, items, sizes = blocks(part, genres=False)

    def related(of_users: np.ndarray, of_items: np.ndarray) -> list[Any]:
        return [RelationBlock(of_users, users), RelationBlock(of_items, items)]

    model = MyFMGibbsRegressor(rank=RANK, random_seed=0)
    known = related(part.users, part.items)
    model.fit(None, part.stars, X_rel=known, group_shapes=sizes, n_iter=SWEEPS, n_kept_samples=KEPT)
    return lambda: np.clip(model.predict(None, related(part.asked_users, part.asked_items)), *part.scale)


def timed(part: Part) -> Answers:
    users, items, sizes = blocks(part, genres=True)
    days = np.concatenate([part.times, part.asked_times]) // DAY
    days -= days.min()
    levels, labels = np.unique(part.stars, return_inverse=True)

    def given(of_users: np.ndarray, of_items: np.ndarray, of_days: np.ndarray) -> tuple[Any, list[Any]]:
        related = [RelationBlock(of_users, users), RelationBlock(of_items, items)]
        return one_hot(of_days, int(days.max()) + 1), related

    X, known = given(part.users, part.items, days[: len(part.users)])
    model = MyFMOrderedProbit(rank=RANK, random_seed=0)
    shapes = [X.shape[1], *sizes]
    model.fit(X, labels, X_rel=known, group_shapes=shapes, n_iter=SWEEPS, n_kept_samples=KEPT)

    def answers() -> np.ndarray:
        asked, related = given(part.asked_users, part.asked_items, days[len(part.users) :])
        return model.predict_proba(asked, related) @ levels

    return answers


if __name__ == "__main__":
    main("myfm", {"stars": {"FM, SVD++ both ways": plain, "FM, SVD++, genres, days, ordered probit": timed}})
