"""Our own models, run as the peers are. They read the catalog too, so that the split is made again from the data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from exchange import Answers, Fit, Part, main

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers import read_source
from matinee.evaluation import PROTOCOLS
from matinee.evaluation.measure import fit_models
from matinee.evaluation.protocols import EvaluationSource, Split
from matinee.models import Model, Query, Stars, default_lineup


@dataclass(frozen=True)
class Known:
    """The same part as our own models are given it."""

    part: Part
    split: Split
    dataset: Dataset
    models: dict[str, Model[Any]]


def known(part: Part) -> Known:
    place, protocol_name, number = part.origin.tolist()
    dataset, protocol = load_dataset(place), PROTOCOLS[protocol_name]
    rows = read_source(Path(place)).ratings if protocol.needs_file(dataset.name) else None
    source = EvaluationSource(dataset, rows)
    split = next(islice(protocol.splits(source), int(number), None))
    dataset = protocol.data(source).with_ratings(split.train)
    return Known(part, split, dataset, default_lineup(dataset) | {"stars-als": Stars()})


def stars(name: str, *, times: bool = False) -> Fit:
    def fit(given: Any) -> Answers:
        part, split = given.part, given.split
        model = fit_models(given.models, [name], given.dataset)[name].model

        def answers() -> np.ndarray:
            found = np.full(len(part.asked_users), np.nan, dtype=np.float32)
            for user in np.unique(part.asked_users).tolist():
                own = np.flatnonzero(part.asked_users == user)
                query, rows = Query.of(split.history, user), part.asked_items[own]
                then = part.asked_times[own]
                found[own] = model.score_at(query, rows, then) if times else model.score_rows(query, rows)
            return found

        return answers

    return fit


def lists(name: str) -> Fit:
    def fit(given: Any) -> Answers:
        history, users = given.split.history, given.part.asked_users.tolist()
        model = fit_models(given.models, [name], given.dataset)[name].model
        return lambda: np.concatenate(
            [model.score([Query.of(history, user) for user in users[i : i + 64]]) for i in range(0, len(users), 64)]
        )

    return fit


STARS = {
    "stars": stars("stars"),
    "stars, told the times": stars("stars", times=True),
    "stars by least squares": stars("stars-als"),
}
LISTS = {name: lists(name) for name in ("blend", "watched", "ease", "edlae", "ials", "itemknn", "graph", "userkernel")}

if __name__ == "__main__":
    main("matinee", {"stars": STARS, "lists": LISTS}, known)
