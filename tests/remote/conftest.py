"""A core whose models are behind a recommender service, which a thread of the test's process serves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from matinee.api.recommender import service as recommender_service
from matinee.api.recommender.app import create_recommender_app
from matinee.engine import Engine
from matinee.remote import RemoteRecommender, opening
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.training.pipeline import train_dataset
from socket_support import on_a_socket
from support import random_dataset


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two snapshots, the first of which is promoted; copied by each test."""
    home = tmp_path_factory.mktemp("remote")
    train_dataset(Settings(data_dir=home), random_dataset())
    train_dataset(Settings(data_dir=home), random_dataset(seed=1), promote=False)
    return home


@pytest.fixture
def data_dir(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "served")
    return tmp_path / "served"


@pytest.fixture
def second(data_dir: Path) -> str:
    """Id of the snapshot that is not promoted."""
    registry = SnapshotRegistry(Settings(data_dir=data_dir).snapshots_dir)
    (found,) = {manifest.id for manifest in registry.list()} - {registry.current()}
    return found


@pytest.fixture
def service(data_dir: Path) -> Iterator[str]:
    with on_a_socket(create_recommender_app(Settings(data_dir=data_dir))) as url:
        yield url


@pytest.fixture
def core(data_dir: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Neither gives up waiting because the machine is slow."""
    monkeypatch.setattr(recommender_service, "LOADING_SECONDS", 60.0)
    monkeypatch.setattr(opening, "RemoteRecommender", partial(RemoteRecommender, timeout=90.0))
    with Engine.open(Settings(data_dir=data_dir, recommender_url=service)) as opened:
        yield opened
