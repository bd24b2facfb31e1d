"""Surprise: predicted stars, with its own settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from exchange import Answers, Fit, Part, main
from surprise import SVD, BaselineOnly, Dataset, KNNBaseline, Reader, SVDpp


def fitted(make: Any, part: Part) -> Answers:
    rows = zip(part.users.tolist(), part.items.tolist(), part.stars.tolist(), strict=True)
    reader = Reader(rating_scale=tuple(part.scale.tolist()))
    algorithm = make().fit(Dataset(reader).construct_trainset([(*row, None) for row in rows]))
    asked = list(zip(part.asked_users.tolist(), part.asked_items.tolist(), strict=True))
    return lambda: np.array([algorithm.predict(user, item).est for user, item in asked])


def of(make: Any) -> Fit:
    return lambda part: fitted(make, part)


STARS = {
    "BaselineOnly": of(lambda: BaselineOnly(verbose=False)),
    "KNNBaseline": of(lambda: KNNBaseline(verbose=False)),
    "SVD": of(lambda: SVD(random_state=0)),
    "SVDpp": of(lambda: SVDpp(random_state=0)),
}

if __name__ == "__main__":
    main("scikit-surprise", {"stars": STARS})
