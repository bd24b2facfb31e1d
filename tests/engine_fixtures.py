"""An engine over a copy of one trained snapshot of the random data set."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee.data.dataset import Dataset
from matinee.engine import Engine
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset


@pytest.fixture(scope="session")
def trained_engine(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one snapshot of the random data set; copied by each test."""
    home = tmp_path_factory.mktemp("engine")
    train_dataset(Settings(data_dir=home), dataset)
    return home


@pytest.fixture
def settings(trained_engine: Path, tmp_path: Path) -> Settings:
    """Settings of this test's own copy."""
    shutil.copytree(trained_engine, tmp_path / "own")
    return Settings(data_dir=tmp_path / "own")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with Engine.open(settings) as opened:
        yield opened
