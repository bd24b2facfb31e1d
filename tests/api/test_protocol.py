"""`BoundedHttpProtocol` overrides methods of uvicorn's protocol: what it relies on exists there and is called."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from matinee.api import protocol
from matinee.api.protocol import MAX_HEAD, WHOLE, BoundedHttpProtocol

OVERRIDDEN = [name for name, value in vars(BoundedHttpProtocol).items() if callable(value) and name[0] != "_"]
REQUEST = b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nbody"


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def connected(application: Any = None) -> tuple[BoundedHttpProtocol, FakeTransport]:
    """A fresh connection to an application, by default one that says ok; needs a running loop."""
    config = uvicorn.Config(application or PlainTextResponse("ok"), log_config=None)
    opened, transport = BoundedHttpProtocol(config, ServerState(), {}), FakeTransport()
    opened.connection_made(transport)
    return opened, transport


def test_what_is_overridden_exists_in_the_library() -> None:
    assert set(OVERRIDDEN) == {
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "shutdown",
    }
    assert all(callable(getattr(HttpToolsProtocol, name, None)) for name in OVERRIDDEN)


def test_every_override_is_called_and_calls_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for one request, here and in the library; `loop` and `transport` are the library's attributes."""
    calls: Counter[tuple[type, str]] = Counter()

    def counted(cls: type, name: str) -> Callable[..., Any]:
        original = getattr(cls, name)

        def call(self: Any, *arguments: Any) -> Any:
            calls[cls, name] += 1
            return original(self, *arguments)

        return call

    for cls in (HttpToolsProtocol, BoundedHttpProtocol):
        for name in OVERRIDDEN:
            monkeypatch.setattr(cls, name, counted(cls, name))

    async def exchange() -> None:
        opened, transport = connected()
        assert opened.loop is asyncio.get_running_loop()
        assert opened.transport is transport
        opened.data_received(REQUEST)
        while b"ok" not in transport.written:
            await asyncio.sleep(0)
        assert transport.written.startswith(b"HTTP/1.1 200")
        opened.shutdown()
        opened.connection_lost(None)

    asyncio.run(exchange())
    assert calls == {(cls, name): 1 for cls in (HttpToolsProtocol, BoundedHttpProtocol) for name in OVERRIDDEN}


def test_a_head_that_is_too_long_is_refused() -> None:
    async def exchange() -> FakeTransport:
        opened, transport = connected()
        opened.data_received(REQUEST.partition(b"\r\n")[0] + b"\r\n")
        for _ in range(MAX_HEAD // 1000 + 1):
            opened.data_received(b"x: " + b"y" * 1000 + b"\r\n")
        return transport

    transport = asyncio.run(exchange())
    assert transport.written.startswith(b"HTTP/1.1 431")
    assert transport.closed


@pytest.mark.parametrize(("sent", "closes"), [(b"", True), (REQUEST[:9], True), (REQUEST, False)])
def test_a_head_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, sent: bytes, closes: bool) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.0)

    async def exchange() -> bool:
        opened, transport = connected()
        if sent:
            opened.data_received(sent)
        for _ in range(10):  # rounds of the loop, in the first of which the timeout is due
            await asyncio.sleep(0)
        closed = transport.closed
        opened.connection_lost(None)
        return closed

    assert asyncio.run(exchange()) is closes


def test_a_stop_waits_for_answers_and_not_for_bodies() -> None:
    async def stop(data: bytes) -> bool:
        opened, transport = connected()
        opened.data_received(data)
        opened.shutdown()
        closed = transport.closed
        opened.connection_lost(None)
        return closed

    assert asyncio.run(stop(REQUEST[:-1]))
    assert not asyncio.run(stop(REQUEST))
    assert asyncio.run(stop(REQUEST[:20]))


def answers_of(data: bytes, whole: bytes) -> tuple[bytes, list[bool]]:
    """What an application sends that answers `/whole` with these bytes where it can, and what it was told."""
    told = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        done = False
        if scope["path"] == "/whole":
            told.append(scope["extensions"][WHOLE]["send"](scope, whole))
            done = told[-1]
        if not done:
            await PlainTextResponse("ok")(scope, receive, send)

    async def exchange() -> bytes:
        opened, transport = connected(application)
        opened.data_received(data)
        while opened.tasks:
            await asyncio.sleep(0)
        opened.connection_lost(None)
        return transport.written

    return asyncio.run(exchange()), told


def test_whole_answers_are_written_as_they_are() -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready"
    one, other = b"GET /whole HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n"
    assert answers_of(one, whole) == (whole, [True])
    written, told = answers_of(one + one + other, whole)  # the newest request of the connection is not the first one
    assert told == [False, False]
    assert written.count(b"HTTP/1.1 200 OK") == written.count(b"\r\n\r\nok") == 3
    assert answers_of(other + one, whole) == (answers_of(other, whole)[0] + whole, [True])
    closing = one.replace(b"host: x", b"host: x\r\nconnection: close")
    written, told = answers_of(closing, whole)
    assert told == [False]
    assert b"connection: close" in written
