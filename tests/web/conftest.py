"""One small core and one web app, as processes, for all tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from apps_support import Service, behind_door, serving, train_small
from matinee.web.serve import without_stubs

without_stubs()  # Gradio is imported in half the time


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A core over the small folder; the films 1 to 8 have posters. A test that stops it starts it again.

    It seems to stop and start: the door to it is shut and opened.
    """
    folder = tmp_path_factory.mktemp("core")
    with serving(["serve"], "/ready", folder, train_small(folder)) as service, behind_door(service) as door:
        yield door


@pytest.fixture(scope="session")
def web(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The web app over that core."""
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"]}
    with serving(["web"], "/health", tmp_path_factory.mktemp("web"), environment) as service:
        yield service


@pytest.fixture(scope="module", autouse=True)
def films_as_they_were(core: Service) -> Iterator[None]:
    """What films a module stores is gone for the next one."""

    def ids() -> set[str]:
        answer = httpx.get(f"{core.url}/v1/movies", params={"limit": 1000}, trust_env=False)
        return {film["movie_id"] for film in answer.json()["items"]}

    before = ids()
    yield
    for movie_id in ids() - before:
        httpx.delete(f"{core.url}/v1/movies/{movie_id}", trust_env=False).raise_for_status()


@pytest.fixture
def call(web: Service) -> Callable[..., list[Any]]:
    """`call("rate", "anna", "1", 5)`: the values that a named endpoint of the web app gives."""

    def run(name: str, *values: Any) -> list[Any]:
        url = f"{web.url}/gradio_api/run/{name}"
        body = json.dumps({"data": list(values)})  # which can hold half a character, as what hostile programs send
        headers = {"content-type": "application/json"}
        answer = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, f"{answer.text}\n{web.told()}"
        return list(answer.json()["data"])

    return run
