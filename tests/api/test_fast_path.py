"""The fast path: what happens to it when something fails or changes underneath."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from api_support import Client
from matinee.api import create_app, fast_path
from matinee.engine import Engine
from matinee.settings import Settings

URL = "/v1/users/u1/recommendations"


def test_an_unexpected_error_is_logged_and_takes_the_regular_path(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    regular = client.get(URL + "?n=10&explain=false").content
    monkeypatch.setattr(fast_path, "plan", lambda *_: 1 // 0)
    with caplog.at_level(logging.ERROR, "matinee.api"):
        answer = client.get(URL + "?n=10")
    assert (answer.status_code, answer.content) == (200, regular)
    assert "ZeroDivisionError" in caplog.text


def test_an_expected_error_is_a_problem_document_and_not_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get(URL + "?model=nope").status_code == 404
    assert "fast path" not in caplog.text


def test_a_write_while_an_answer_is_computed_outdates_it(
    client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version that a cached answer stands for is taken before it is computed."""
    original: Callable[..., Any] = fast_path.ListWork

    def slow(*arguments: Any) -> Any:
        work = original(*arguments)

        def compute() -> Any:
            made = work()
            best = client.app.service.lazy_engine.value.recommend("u1").items[0]  # type: ignore[attr-defined]
            engine.rate([("u1", best.movie_id, 5.0)])
            return made

        return compute

    with monkeypatch.context() as patch:
        patch.setattr(fast_path, "ListWork", slow)
        first = client.get(URL + "?n=5").json()["items"]
    second = client.get(URL + "?n=5").json()["items"]
    assert first[0]["movie_id"] not in {item["movie_id"] for item in second}


def test_pages_that_may_read_answers_are_told_so_of_cached_ones(engine: Engine) -> None:
    origin = "https://films.example"
    app = create_app(Settings(origins=origin), engine)
    with Client(app) as client:
        for _ in range(2):
            answer = client.get(URL, headers={"origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-origin" not in client.get(URL).headers
