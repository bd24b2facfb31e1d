"""Answers of other services, bounded in bytes and in seconds: whatever they send, and however slowly.

httpx limits each read, not the whole: a server that sends a byte a second, in the head or in the body, is waited for
for ever, and one that sends without end fills the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpcore import SOCKET_OPTION

MAX_ANSWER = 64 << 20
"""Bytes of an answer of one of our services, at most: many times what the largest has."""
_WRITE = 1 << 16
_OF_FRAMING = ("content-length", "content-encoding", "transfer-encoding")
_DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)


class TooMuchError(httpx.HTTPError):
    """An answer larger than it may be."""


def bounded(client: httpx.Client) -> httpx.Client:
    """The client, whose connections keep to the deadline of `ask`."""
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)
    return client


def ask(
    client: httpx.Client, method: str, url: str, *, seconds: float | None, max_bytes: int = MAX_ANSWER, **options: Any
) -> httpx.Response:
    """Request and read the whole answer.

    Args:
        client: see `bounded`.
        seconds: for all of it, from the connection to the last byte; None: the client's timeouts are for each part.
        max_bytes: of the body, unpacked.
        options: as of `httpx.Client.stream`.

    Raises:
        TooMuchError: a larger answer.
        httpx.TimeoutException: it takes longer.
        httpx.HTTPError: any other failure.
    """
    with _deadline(seconds), client.stream(method, url, **options) as answer:
        body = bytearray()
        for part in answer.iter_bytes():
            _add(body, part, max_bytes)
            if _left(None) == 0:
                raise httpx.ReadTimeout("the answer did not end in time")
    return _whole(answer, body)


async def ask_async(
    client: httpx.AsyncClient, method: str, url: str, *, seconds: float, max_bytes: int = MAX_ANSWER, **options: Any
) -> httpx.Response:
    """As `ask`, from an event loop; any client will do."""
    try:
        async with asyncio.timeout(seconds), client.stream(method, url, **options) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                _add(body, part, max_bytes)
    except TimeoutError as error:
        raise httpx.ReadTimeout("the answer did not end in time") from error
    return _whole(answer, body)


def _add(body: bytearray, part: bytes, max_bytes: int) -> None:
    body += part
    if len(body) > max_bytes:
        raise TooMuchError(f"its answer is larger than {max_bytes >> 20} MiB")


def _whole(answer: httpx.Response, body: bytearray) -> httpx.Response:
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_FRAMING]
    return httpx.Response(answer.status_code, headers=headers, content=bytes(body), request=answer.request)


@contextmanager
def _deadline(seconds: float | None) -> Iterator[None]:
    token = _DEADLINE.set(None if seconds is None else monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def _left(timeout: float | None) -> float | None:
    """A timeout, shortened to what is left until the deadline; 0 after it."""
    deadline = _DEADLINE.get()
    if deadline is None:
        return timeout
    left = max(0.0, deadline - monotonic())
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    """Opens connections that keep to the deadline."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        return _Stream(self._backend.connect_tcp(host, port, _left(timeout), local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._backend.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read."""
        left = _left(timeout)
        if left == 0:
            raise httpcore.ReadTimeout("the answer did not end in time")
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, in parts, so that one that is received slowly ends, too."""
        for start in range(0, len(buffer), _WRITE):
            left = _left(timeout)
            if left == 0:
                raise httpcore.WriteTimeout("the request could not be sent in time")
            self._stream.write(buffer[start : start + _WRITE], left)

    def close(self) -> None:
        """Close."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS."""
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        """See `httpcore.NetworkStream`."""
        return self._stream.get_extra_info(info)
