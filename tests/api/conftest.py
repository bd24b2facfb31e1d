from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.engine import Engine
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one snapshot of 60 users × 40 films; copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("trained") / "data"
    train_dataset(Settings(data_dir=folder), random_dataset())
    return folder


@pytest.fixture
def data_dir(trained: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "served"))


@pytest.fixture
def engine(data_dir: Path) -> Iterator[Engine]:
    """The engine that `client` asks."""
    opened = Engine.open(Settings(data_dir=data_dir))
    yield opened
    opened.close()


@pytest.fixture
def client(data_dir: Path, engine: Engine) -> Iterator[Client]:
    """A client of the whole application, in this process; errors of the server are answers, as in service."""
    with Client(create_app(Settings(data_dir=data_dir), engine)) as opened:
        yield opened


@pytest.fixture
def client_with(data_dir: Path) -> Iterator[Callable[..., Client]]:
    """Makes clients of applications with other settings, over the same data folder."""
    with ExitStack() as stack:

        def make(**settings: object) -> Client:
            app = create_app(Settings(**({"data_dir": data_dir} | settings)))  # type: ignore[arg-type]
            stack.callback(app.service.close_engine)  # type: ignore[attr-defined]
            return stack.enter_context(Client(app))

        yield make
