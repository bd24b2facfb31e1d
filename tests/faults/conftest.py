"""A stage for the tests of this folder, under the layer that makes files fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fault_layer import FaultLayer, missing
from fault_nursery import Nursery
from fault_session import Stage


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultLayer]:
    if reason := missing():
        pytest.skip(reason)
    layer = FaultLayer(tmp_path_factory.mktemp("layer"))
    yield layer
    layer.close()


@pytest.fixture(scope="module")
def stage(layer: FaultLayer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with Nursery(folder / "log", layer.environment) as nursery:
        yield Stage(folder, nursery)
