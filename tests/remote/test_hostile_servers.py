"""Servers that answer without end, a byte at a time, or with lies about the length: every client of ours ends soon."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from matinee._util import bounded_http
from matinee._util.bounded_http import TooMuchError, ask, ask_async, bounded
from matinee.client import AsyncClient, Client, calls
from matinee.client import http as client_http
from matinee.errors import EncoderError, ServiceError, StoreError
from matinee.remote.connection import Connection

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Hostile = Callable[[socket.socket], None]


@contextlib.contextmanager
def hostile(answer: Hostile) -> Iterator[str]:
    """The URL of a server that reads a head and then does as it likes, until its client leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                connection.recv(65536)
                answer(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket, first: bytes) -> None:
    connection.sendall(first)
    while True:
        connection.sendall(b"1")
        time.sleep(0.02)


def endless(connection: socket.socket) -> None:
    connection.sendall(OK + b"transfer-encoding: chunked\r\n\r\n")
    part = b"10000\r\n" + b"1" * 65536 + b"\r\n"
    while True:
        connection.sendall(part)


def packed(connection: socket.socket) -> None:
    """A small body that unpacks to a large one."""
    body = gzip.compress(b"1" * (64 << 20))
    connection.sendall(OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


SLOW: dict[str, Hostile] = {
    "body drips": lambda connection: drip(connection, OK + b"content-length: 100000\r\n\r\n"),
    "head drips": lambda connection: drip(connection, OK + b"x-long: "),
    "length is a lie": lambda connection: drip(connection, OK + b"content-length: 999999999999\r\n\r\n"),
    "nothing comes": lambda connection: (connection.recv(1), None)[1],
}
LARGE: dict[str, Hostile] = {"endless": endless, "packed": packed}
BROKEN: dict[str, Hostile] = {
    "huge head": lambda connection: connection.sendall(OK + b"x-long: " + b"x" * 500_000 + b"\r\n\r\n{}"),
    "too short": lambda connection: connection.sendall(OK + b"content-length: 10\r\n\r\n{}"),
    "no HTTP": lambda connection: connection.sendall(b"\x00\x16\x03" * 100),
    "circle": lambda connection: connection.sendall(
        b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_slow_answer_ends_at_the_deadline(what: str) -> None:
    with hostile(SLOW[what]) as url, bounded(httpx.Client(timeout=5)) as client:
        begin = time.monotonic()
        with pytest.raises(httpx.TimeoutException):
            ask(client, "GET", url, seconds=0.3)

        async def later() -> None:
            async with httpx.AsyncClient(timeout=5) as other:
                await ask_async(other, "GET", url, seconds=0.3)

        with pytest.raises(httpx.TimeoutException):
            asyncio.run(later())
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("what", LARGE)
def test_a_large_answer_is_not_read_to_its_end(what: str) -> None:
    with hostile(LARGE[what]) as url, bounded(httpx.Client(timeout=5)) as client:
        with pytest.raises(TooMuchError, match="1 MiB"):
            ask(client, "GET", url, seconds=10, max_bytes=1 << 20)

        async def later() -> None:
            async with httpx.AsyncClient(timeout=5) as other:
                await ask_async(other, "GET", url, seconds=10, max_bytes=1 << 20)

        with pytest.raises(TooMuchError):
            asyncio.run(later())


def test_a_request_that_is_not_taken_ends_at_the_deadline() -> None:
    taken = threading.Event()
    with hostile(lambda connection: (taken.wait(20), None)[1]) as url, bounded(httpx.Client(timeout=0.2)) as client:
        with pytest.raises(httpx.TimeoutException):
            ask(client, "POST", url, seconds=0.5, content=b"x" * (32 << 20))
        taken.set()


EVERY = SLOW | LARGE | BROKEN


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
        assert time.monotonic() - begin < 15


@pytest.mark.parametrize("what", ["body drips", "length is a lie", "endless", "packed", "too short", "no HTTP"])
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
        assert time.monotonic() - begin < 15
        cluster.close()
