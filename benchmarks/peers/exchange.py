"""What a driver is given and hands back, as files of NumPy: runs in a peer's environment, where only NumPy is sure.

A driver holds a table of models by task. Each is a function that fits on a `Part` and returns a function that answers;
both are timed apart. `python run_PEER.py --list` prints the table's names, and
`python run_PEER.py TASK MODEL PART.npz ANSWERS.npz` runs one.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Part:
    """The training part of one split, and what is asked. Users and items are numbers from 0.

    Attributes:
        users, items, stars, times: the training ratings in the order of users; time −1 where it is not known.
        asked_users: "stars": (n_asked,), one for each prediction; "lists": the users to make a list for.
        asked_items, asked_times: (n_asked,), with asked_users; empty for lists.
        shape: numbers of users and of items.
        scale: lowest and highest stars.
        genres: (n_items, n_genres), zeros and ones.
        origin: data, protocol and number of the split, for our own models, which read more than ratings.
    """

    users: np.ndarray
    items: np.ndarray
    stars: np.ndarray
    times: np.ndarray
    asked_users: np.ndarray
    asked_items: np.ndarray
    asked_times: np.ndarray
    shape: np.ndarray
    scale: np.ndarray
    genres: np.ndarray
    origin: np.ndarray

    def save(self, path: Path) -> None:
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Part:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


Answers = Callable[[], np.ndarray]
"""Stars of each asked pair, (n_asked,), or scores of all items for each asked user, (n_users, n_items); NaN: none."""
Fit = Callable[[Part], Answers]


def cpu_seconds() -> float:
    """Of all threads and finished child processes."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main(
    package: str, models: Mapping[str, Mapping[str, Fit]], prepare: Callable[[Part], Any] = lambda part: part
) -> None:
    """Run a driver.

    Args:
        package: whose version is reported.
        models: task → name → model.
        prepare: makes of the part what models are given instead; its time does not count.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("words", nargs="*", metavar="TASK MODEL PART ANSWERS")
    arguments = parser.parse_args()
    if arguments.list:
        print(json.dumps({"version": version(package), "models": {task: list(of) for task, of in models.items()}}))
        return
    task, name, given, wanted = arguments.words
    part = prepare(Part.load(Path(given)))
    wall, cpu = time.perf_counter(), cpu_seconds()
    answers = models[task][name](part)
    figures: dict[str, Any] = {"fit_wall_s": time.perf_counter() - wall, "fit_cpu_s": cpu_seconds() - cpu}
    cpu = cpu_seconds()
    found = np.asarray(answers(), dtype=np.float32)
    figures["ask_cpu_s"] = cpu_seconds() - cpu
    np.savez(wanted, answers=found, **figures)
