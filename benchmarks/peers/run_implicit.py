"""implicit: lists from what was watched.

"tuned" and the number of neighbors: the best of some fifty settings on the validation part of `implicit`, ml-100k.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from exchange import Answers, Fit, Part, main
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender


def watched(part: Part) -> Any:
    ones = np.ones(len(part.users), dtype=np.float32)
    return sp.csr_matrix((ones, (part.users, part.items)), shape=tuple(part.shape))


def factors(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        model = make()
        model.fit(watched(part), show_progress=False)
        return lambda: model.user_factors[part.asked_users] @ model.item_factors.T

    return fit


def neighbors(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        known, model = watched(part), make()
        model.fit(known, show_progress=False)
        return lambda: (known[part.asked_users] @ model.similarity).toarray()

    return fit


TUNED = {"factors": 64, "regularization": 30.0, "alpha": 5.0}
TUNED_BPR = {"factors": 64, "iterations": 40}
LISTS = {
    "ALS": factors(lambda: AlternatingLeastSquares(num_threads=1, random_state=0)),
    "ALS, tuned": factors(lambda: AlternatingLeastSquares(**TUNED, num_threads=1, random_state=0)),
    "BPR": factors(lambda: BayesianPersonalizedRanking(num_threads=1, random_state=0)),
    "BPR, tuned": factors(lambda: BayesianPersonalizedRanking(**TUNED_BPR, num_threads=1, random_state=0)),
    "cosine": neighbors(lambda: CosineRecommender(K=300, num_threads=1)),
    "TF-IDF": neighbors(lambda: TFIDFRecommender(K=300, num_threads=1)),
    "BM25": neighbors(lambda: BM25Recommender(K=300, num_threads=1)),
}

if __name__ == "__main__":
    main("implicit", {"lists": LISTS})
