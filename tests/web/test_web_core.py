"""What ails the core: visitors read a friendly sentence, operators an entry in the log for each outage."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from apps_support import Service
from matinee.client import Call, calls
from matinee.errors import MatineeError, ServiceError
from matinee.web.core import AWAY, Core
from web_server import send, serve

FULL = b'{"detail": "The store /secret/store.db cannot answer: disk full."}'


async def ask(core: Core, *asked: Call) -> None:
    """Calls, one after the other, whatever comes of them."""
    for call in asked:
        with suppress(MatineeError):
            await core.send(call)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == "matinee.web"]
    caplog.clear()
    return found


def test_an_outage_is_logged_once_and_visitors_read_no_address(core: Service, web: Service) -> None:
    def outage() -> str:
        before = len(web.told(lines=10_000))
        core.stop()
        try:
            for name, values in (
                ("open", ["?tab=for-you&user=1", "1"]),
                ("open", ["?tab=film&film=1", "1"]),
                ("rate", ["anna", "1", 5, "", 0, 10]),
                ("rate_film", ["anna", "1", 5]),
                ("film_yours", ["anna", "1"]),
                ("search", ["heat", "both", 5, ""]),
                ("Recommender", ["faiss", 5, "Heat"]),
                ("favourites", ["Heat", "", "", "", "", "", "content"]),
                ("film_titles", ["heat"]),
            ):
                url = f"{web.url}/gradio_api/run/{name}"
                answer = httpx.post(url, json={"data": values}, timeout=60, trust_env=False)
                assert answer.status_code == 200
                assert AWAY in answer.text, name
                for word in (str(core.port), "127.0.0.1", "matinee serve", "MATINEE_CORE_URL", "Traceback"):
                    assert word not in answer.text, name
            for path in ("/media/posters/1", "/media/map/content"):
                answer = httpx.get(web.url + path, trust_env=False)
                assert (answer.status_code, answer.text) == (503, AWAY)
        finally:
            core.start()
        answer = httpx.post(f"{web.url}/gradio_api/run/search", json={"data": ["heat", "both", 5, ""]}, trust_env=False)
        assert AWAY not in answer.text
        return web.told(lines=10_000)[before:]

    for _ in range(2):
        log = outage()
        assert log.count(core.url) == 1, log
        assert "MATINEE_CORE_URL" in log
        assert "Traceback" not in log


def test_a_trouble_that_the_core_tells_is_logged_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    full = True

    def core(request: BaseHTTPRequestHandler) -> None:
        broken = full and request.path.endswith("/ratings")
        answer = send(FULL, 503, "application/json") if broken else send(b"{}", kind="application/json")
        answer(request)

    async def run(url: str) -> None:
        nonlocal full
        asked = Core(url)
        await ask(asked, calls.history("1"), calls.movie("1"), calls.history("2"), calls.movie("2"))
        assert told(caplog) == ["The store /secret/store.db cannot answer: disk full."], "others are answered meanwhile"
        full = False
        await ask(asked, calls.history("3"))
        full = True
        await ask(asked, calls.history("1"))
        assert len(told(caplog)) == 1
        await asked.close()

    with serve(core) as url:
        asyncio.run(run(url))


def test_a_refusal_is_no_trouble_and_ends_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    answers = iter([404, None, None, 404, None])

    def core(request: BaseHTTPRequestHandler) -> None:
        status = next(answers)
        if status is None:
            request.close_connection = True  # without a word
        else:
            send(b"{}", status, "application/json")(request)

    async def run(url: str) -> None:
        asked = Core(url)
        for logged in (0, 1, 0, 0, 1):
            await ask(asked, calls.movie("x"))
            assert len(told(caplog)) == logged
        await asked.close()

    with serve(core) as url:
        asyncio.run(run(url))


def test_a_core_that_demands_a_key_is_an_outage_to_visitors(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str | None] = []
    refuse = send(b'{"detail": "This service needs an API key."}', 401, "application/problem+json")

    def handle(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.headers["authorization"])
        refuse(request)

    async def twice(url: str) -> None:
        core = Core(url, "matinee_old")
        for _ in range(2):
            with pytest.raises(ServiceError, match="MATINEE_API_KEY"):
                await core.send(calls.models())
        await core.close()

    with caplog.at_level(logging.WARNING, "matinee.web"), serve(handle) as url:
        asyncio.run(twice(url))
    assert asked == ["Bearer matinee_old"] * 2
    (line,) = told(caplog)
    assert "matinee keys create" in line
