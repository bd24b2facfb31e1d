from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.api.recommender.app import create_recommender_app
from matinee.engine import Engine
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from socket_support import on_a_socket
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
def scoring() -> str:
    """Who scores: "here", or, where a module says so, a recommender service ("remote")."""
    return "here"


@pytest.fixture
def recommender_url(scoring: str, data_dir: Path) -> Iterator[str]:
    """Address of a recommender service over the data folder, on a real socket; "" where the models score here."""
    if scoring == "here":
        yield ""
    else:
        with on_a_socket(create_recommender_app(Settings(data_dir=data_dir))) as url:
            yield url


@pytest.fixture
def engine(data_dir: Path, recommender_url: str) -> Iterator[Engine]:
    """The engine that `client` asks."""
    opened = Engine.open(Settings(data_dir=data_dir, recommender_url=recommender_url))
    yield opened
    opened.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client of the whole application, in this process; errors of the server are answers, as in service."""
    with Client(create_app(engine.settings, engine)) as opened:
        yield opened


@pytest.fixture(scope="session")
def reader(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One application for all tests that store nothing: they ask, or are refused."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("reader") / "served"))
    settings = Settings(data_dir=folder)
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as opened:
        yield opened


@pytest.fixture
def client_with(data_dir: Path, recommender_url: str) -> Iterator[Callable[..., Client]]:
    """Makes clients of applications with other settings, over the same data folder."""
    with ExitStack() as stack:

        def make(**settings: object) -> Client:
            own = {"data_dir": data_dir, "recommender_url": recommender_url}
            app = create_app(Settings(**(own | settings)))  # type: ignore[arg-type]
            stack.callback(app.service.close_engine)  # type: ignore[attr-defined]
            return stack.enter_context(Client(app))

        yield make
