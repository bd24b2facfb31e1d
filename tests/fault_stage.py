"""The stage of `fault_session` under the layer that makes files fail, for programs; tests have fixtures for both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_layer import FaultLayer
from fault_nursery import Nursery
from fault_session import Stage


@contextmanager
def stage_under_faults() -> Iterator[tuple[Stage, FaultLayer]]:
    """A stage in a temporary folder, and the layer under its processes; both go at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layer = FaultLayer(folder / "layer")
        try:
            with Nursery(folder / "log", layer.environment) as nursery:
                yield Stage(folder, nursery), layer
        finally:
            layer.close()
