"""RecTools: lists from what was watched. It hands out lists, whose scores are handed on; all other items have none.

The settings of ALS and the number of neighbors are those tuned for implicit, whose models these are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from exchange import Answers, Fit, Part, main
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PureSVDModel

LENGTH = 100


def of(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        frame = pd.DataFrame({Columns.User: part.users, Columns.Item: part.items})
        dataset = Dataset.construct(frame.assign(**{Columns.Weight: 1.0, Columns.Datetime: pd.Timestamp(2000, 1, 1)}))
        model = make().fit(dataset)

        def answers() -> np.ndarray:
            known = np.isin(part.asked_users, part.users)
            found = model.recommend(part.asked_users[known], dataset, k=LENGTH, filter_viewed=True)
            scores = np.full((len(part.asked_users), int(part.shape[1])), np.nan, dtype=np.float32)
            rows = np.searchsorted(part.asked_users, found[Columns.User].to_numpy())
            scores[rows, found[Columns.Item].to_numpy()] = found[Columns.Score].to_numpy()
            return scores

        return answers

    return fit


TUNED = {"factors": 64, "regularization": 30.0, "alpha": 5.0}
LISTS = {
    "EASE": of(EASEModel),
    "PureSVD": of(lambda: PureSVDModel(factors=32)),
    "ALS": of(lambda: ImplicitALSWrapperModel(AlternatingLeastSquares(**TUNED, num_threads=1, random_state=0))),
    "TF-IDF": of(lambda: ImplicitItemKNNWrapperModel(TFIDFRecommender(K=300, num_threads=1))),
}

if __name__ == "__main__":
    main("rectools", {"lists": LISTS})
