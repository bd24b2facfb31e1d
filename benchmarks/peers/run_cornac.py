"""Cornac: stars, and lists from what was watched, with its own settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from cornac.data import Dataset
from cornac.models import BPR, EASE, MF, NMF, BaselineOnly, ItemKNN, UserKNN
from exchange import Answers, Fit, Part, main


def built(part: Part, stars: np.ndarray) -> Any:
    return Dataset.build(list(zip(part.users.tolist(), part.items.tolist(), stars.tolist(), strict=True)), seed=0)


def stars(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        known = built(part, part.stars)
        model = make().fit(known)

        def answers() -> np.ndarray:
            users = [known.uid_map.get(user, -1) for user in part.asked_users.tolist()]
            items = [known.iid_map.get(item, -1) for item in part.asked_items.tolist()]
            pairs = zip(users, items, strict=True)
            return np.array([model.rate(u, i) if u >= 0 and i >= 0 else np.nan for u, i in pairs])

        return answers

    return fit


def lists(make: Any) -> Fit:
    def fit(part: Part) -> Answers:
        known = built(part, np.ones(len(part.users)))
        model = make().fit(known)
        items = np.array(list(known.iid_map))

        def answers() -> np.ndarray:
            scores = np.full((len(part.asked_users), int(part.shape[1])), np.nan, dtype=np.float32)
            for row, user in enumerate(part.asked_users.tolist()):
                if user in known.uid_map:
                    scores[row, items] = model.score(known.uid_map[user])[: len(items)]
            return scores

        return answers

    return fit


STARS = {
    "BaselineOnly": stars(lambda: BaselineOnly(seed=0, verbose=False)),
    "MF": stars(lambda: MF(seed=0, verbose=False)),
    "NMF": stars(lambda: NMF(seed=0, verbose=False)),
    "UserKNN": stars(lambda: UserKNN(mean_centered=True, seed=0, verbose=False)),
    "ItemKNN": stars(lambda: ItemKNN(mean_centered=True, seed=0, verbose=False)),
}
LISTS = {
    "BPR": lists(lambda: BPR(seed=0, num_threads=1, verbose=False)),
    "EASE": lists(lambda: EASE(seed=0, verbose=False)),
}

if __name__ == "__main__":
    main("cornac", {"stars": STARS, "lists": LISTS})
