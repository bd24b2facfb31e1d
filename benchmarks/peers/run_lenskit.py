"""LensKit: stars, and lists from what was watched.

"tuned": the best of nine settings on the validation part of `implicit`, ml-100k; so was EASE's regularization chosen,
whose usual value of 1 is meant to be set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from exchange import Answers, Fit, Part, main
from lenskit.als import BiasedMFScorer, ImplicitMFScorer
from lenskit.basic import BiasScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer, UserKNNScorer
from lenskit.training import TrainingOptions


def trained(make: Any, part: Part, stars: bool) -> tuple[Any, Any]:
    frame = pd.DataFrame({"user_id": part.users, "item_id": part.items})
    dataset = from_interactions_df(frame.assign(rating=part.stars) if stars else frame)
    scorer = make()
    scorer.train(dataset, TrainingOptions(rng=0))
    return scorer, dataset


def asked(scorer: Any, dataset: Any, user: int, items: np.ndarray) -> np.ndarray:
    """Scores of items for a user, with the history that LensKit's own pipelines look up."""
    query = RecQuery(user_id=user, user_items=dataset.user_row(user))
    return np.asarray(scorer(query=query, items=ItemList(item_ids=items)).scores("numpy"))


def stars(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        scorer, dataset = trained(make, part, stars=True)

        def answers() -> np.ndarray:
            found = np.full(len(part.asked_users), np.nan, dtype=np.float32)
            for user in np.intersect1d(part.asked_users, part.users).tolist():
                rows = np.flatnonzero(part.asked_users == user)
                found[rows] = asked(scorer, dataset, user, part.asked_items[rows])
            return found

        return answers

    return fit


def lists(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        scorer, dataset = trained(make, part, stars=False)
        items = np.unique(part.items)

        def answers() -> np.ndarray:
            scores = np.full((len(part.asked_users), int(part.shape[1])), np.nan, dtype=np.float32)
            for row, user in enumerate(part.asked_users.tolist()):
                if dataset.users.number(user, missing=None) is not None:
                    scores[row, items] = asked(scorer, dataset, user, items)
            return scores

        return answers

    return fit


STARS = {
    "Bias": stars(BiasScorer),
    "BiasedMF": stars(BiasedMFScorer),
    "ItemKNN": stars(lambda: ItemKNNScorer(max_nbrs=20)),
    "UserKNN": stars(lambda: UserKNNScorer(max_nbrs=20)),
}
LISTS = {
    "ImplicitMF": lists(ImplicitMFScorer),
    "ImplicitMF, tuned": lists(lambda: ImplicitMFScorer(regularization=20, weight=2)),
    "ItemKNN": lists(lambda: ItemKNNScorer(max_nbrs=20, feedback="implicit")),
    "UserKNN": lists(lambda: UserKNNScorer(max_nbrs=50, feedback="implicit")),
    "EASE": lists(lambda: EASEScorer(regularization=500)),
}

if __name__ == "__main__":
    main("lenskit", {"stars": STARS, "lists": LISTS})
