"""Servers that answer without end, a byte at a time, or with lies about the length: every client of ours ends soon."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx
import pytest

from hostile_server import EVERY, LARGE, SLOW, hostile
from matinee._util import bounded_http
from matinee._util.bounded_http import TooMuchError, ask, ask_async, bounded
from matinee.client import AsyncClient, Client, calls
from matinee.client import http as client_http
from matinee.errors import EncoderError, ServiceError, StoreError
from matinee.remote.connection import Connection


@pytest.mark.parametrize("what", SLOW)
def test_a_slow_answer_ends_at_the_deadline(what: str) -> None:
    with hostile(SLOW[what]) as url, bounded(httpx.Client(timeout=90)) as client:
        begin = time.monotonic()
        with pytest.raises(httpx.TimeoutException):
            ask(client, "GET", url, seconds=0.3)

        async def later() -> None:
            async with httpx.AsyncClient(timeout=90) as other:
                await ask_async(other, "GET", url, seconds=0.3)

        with pytest.raises(httpx.TimeoutException):
            asyncio.run(later())
        assert time.monotonic() - begin < 90


@pytest.mark.parametrize("what", LARGE)
def test_a_large_answer_is_not_read_to_its_end(what: str) -> None:
    with hostile(LARGE[what]) as url, bounded(httpx.Client(timeout=90)) as client:
        with pytest.raises(TooMuchError, match="1 MiB"):
            ask(client, "GET", url, seconds=90, max_bytes=1 << 20)

        async def later() -> None:
            async with httpx.AsyncClient(timeout=90) as other:
                await ask_async(other, "GET", url, seconds=90, max_bytes=1 << 20)

        with pytest.raises(TooMuchError):
            asyncio.run(later())


def test_a_request_that_is_not_taken_ends_at_the_deadline() -> None:
    taken = threading.Event()
    with hostile(lambda connection: (taken.wait(90), None)[1]) as url, bounded(httpx.Client(timeout=0.2)) as client:
        with pytest.raises(httpx.TimeoutException):
            ask(client, "POST", url, seconds=0.5, content=b"x" * (32 << 20))
        taken.set()


@pytest.mark.parametrize("what", EVERY)
def test_every_client_of_a_hostile_service_ends_with_a_sentence(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_http, "SECONDS", 0.5)
    limited = dict(ask.__kwdefaults__, max_bytes=1 << 20)
    monkeypatch.setattr(bounded_http.ask, "__kwdefaults__", limited)
    monkeypatch.setattr(bounded_http.ask_async, "__kwdefaults__", limited)
    with hostile(EVERY[what]) as url:
        remote = Connection(url, 0.5, service="encoder", start="x", setting="X", failure=EncoderError)
        begin = time.monotonic()
        with pytest.raises(EncoderError):
            remote.ask("GET", "/encoders")
        remote.close()
        with Client(url) as client, pytest.raises((ServiceError, client_http.RefusedError)):
            client.send(calls.models())

        async def later() -> None:
            other = AsyncClient(url)
            try:
                await other.send(calls.models())
            finally:
                await other.close()

        with pytest.raises((ServiceError, client_http.RefusedError)):
            asyncio.run(later())
        assert time.monotonic() - begin < 90


@pytest.mark.parametrize("what", EVERY)
def test_a_hostile_store_server_ends_with_a_sentence(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elasticsearch")
    from matinee.databases import elasticsearch_node
    from matinee.databases.elasticsearch import Cluster

    monkeypatch.setattr(elasticsearch_node, "MAX_ANSWER", 1 << 20)
    monkeypatch.setattr(elasticsearch_node, "TIMES", 1)
    with hostile(EVERY[what]) as url:
        cluster = Cluster(url, timeout=0.4)
        begin = time.monotonic()
        with pytest.raises(StoreError):
            cluster.call(lambda client: client.info())
        assert time.monotonic() - begin < 90
        cluster.close()
