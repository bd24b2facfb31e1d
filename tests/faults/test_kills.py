"""kill -9 in the middle of writes: one of each kind of `benchmarks/kills.py`, which does it a thousand times."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_layer import FaultLayer
from fault_session import Stage

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from kills import Kills

KINDS = ("streams", "batches", "marks", "movies", "posters", "promotes", "imports", "migrations", "training")
SHORT = ("batches", "promotes", "imports", "migrations")
"""Kinds that stand for the others in `make test`: both ways of writing, and files."""


@pytest.fixture(scope="module")
def kills(stage: Stage, layer: FaultLayer) -> Iterator[Kills]:
    kills = Kills(stage, layer, random.Random(1))
    yield kills
    kills.close()


@pytest.mark.parametrize(
    "kind", [kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.extended) for kind in KINDS]
)
def test_a_kill_loses_nothing_acknowledged(kills: Kills, kind: str) -> None:
    figures = kills.kill(kind)
    assert kills.faults == []
    assert (figures.kills, figures.lost) == (1, 0)


def test_nothing_of_all_rounds_is_lost(kills: Kills) -> None:
    figures = kills.kill("streams")
    assert figures.acknowledged
    kills.close()
    assert kills.faults == []
