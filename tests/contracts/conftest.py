"""Every store, for the contracts of stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee.stores import Store
from store_support import FACTORIES, Factory, removed


@pytest.fixture(params=sorted(FACTORIES))
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    factory = FACTORIES[request.param](tmp_path)
    yield factory
    removed(factory)


@pytest.fixture
def store(factory: Factory) -> Iterator[Store]:
    store = factory()
    yield store
    store.close()
