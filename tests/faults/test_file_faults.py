"""Files that fail, and power cuts: some points of `tools/fault_sweep.py` and `tools/power_loss.py`, which try all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_layer import FaultLayer
from fault_points import Part, Sweep, points
from fault_session import Stage
from power_cuts import PowerCuts

OPENED = 6
"""Folders opened after power cuts, at most one more."""


@pytest.fixture(scope="module")
def sweep(stage: Stage, layer: FaultLayer) -> Iterator[Sweep]:
    sweep = Sweep(stage, layer)
    yield sweep
    sweep.close()


@pytest.mark.parametrize(
    ("part", "error", "start", "every"),
    [
        pytest.param("session", "EIO", 3, 53, marks=pytest.mark.extended),
        pytest.param("session", "ENOSPC-stays", 29, 71, marks=pytest.mark.extended),
        ("session", "short", 17, 122),
        pytest.param("training", "EIO", 300, 400, marks=pytest.mark.extended),
        ("training", "ENOSPC-stays", 150, 400),
    ],
)
def test_a_failed_call_loses_nothing_acknowledged(sweep: Sweep, part: Part, error: str, start: int, every: int) -> None:
    outcomes = [sweep.run(part, error, point) for point in points(sweep.calls(part), error, start, every)]
    assert [(outcome.where, fault) for outcome in outcomes for fault in outcome.faults] == []
    assert any(outcome.hit for outcome in outcomes)
    assert all(outcome.refused for outcome in outcomes if part == "training")


def test_a_power_cut_loses_nothing_acknowledged(sweep: Sweep, tmp_path: Path) -> None:
    cuts = PowerCuts(sweep.stage, sweep.layer, "session", empty=True)
    assert cuts.acknowledged >= 15
    different = {(cut.kept, cut.digest): cut for cut in cuts.cuts(seed=5)}
    some = list(different.values())[:: len(different) // OPENED]
    assert {cut.kept for cut in some} >= {"nothing", "some"}
    assert [(cut.after, cut.kept, fault) for cut in some for fault in cuts.check(cut, tmp_path / "cut")] == []
