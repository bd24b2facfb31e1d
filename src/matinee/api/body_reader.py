"""Reads the bodies of all requests before the routes see them: limited in size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee.api.errors import problem

BODY_SECONDS = 30.0
"""Time within which a body must arrive."""
DISCARD_SECONDS = 5.0
"""Time for which the rest of a refused body is received and discarded. A client that is still sending when the
connection is closed gets a reset instead of the answer."""
_BODILESS = ("GET", "HEAD")
"""No route reads the bodies of these."""


class _RefusedError(Exception):
    """A body that is not accepted.

    Args:
        status: of the answer; None: the client has disconnected.
    """

    def __init__(self, status: int | None, detail: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class ReadBody:
    """ASGI middleware: the application receives whole bodies. Others are refused.

    413: larger than `limit`. 408: not here within `seconds`. 415: compressed. 503: there is no memory for it now.

    Args:
        limit: largest body, in bytes.
        memory: bytes of bodies that are held at the same time.
        seconds: time within which a body must arrive; default `BODY_SECONDS`.
        streamed: path whose POST reads its body itself, of any length, and may answer before its end.
    """

    def __init__(
        self, app: ASGIApp, limit: int, memory: int, seconds: float | None = None, streamed: str | None = None
    ) -> None:
        self._app, self._limit, self._memory, self._seconds = app, limit, memory, seconds
        self._streamed = streamed
        self.held = 0
        """Bytes of bodies of requests that are not answered yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            return await self._app(scope, receive, send)
        if scope["path"] == self._streamed and scope["method"] == "POST":
            await self._stream(scope, receive, send)
            return None
        memory = _Reservation(self)
        try:
            memory.grow(_announced(scope, self._limit))
            body = await self._read(receive, memory)
        except _RefusedError as refused:
            memory.free()
            if refused.status is not None:
                await _refuse(scope, receive, send, refused.status, refused.detail)
            return None
        except BaseException:
            memory.free()
            raise
        try:
            whole: Message = {"type": "http.request", "body": body, "more_body": False}
            await self._app(scope, replaying([whole], receive), send)
        finally:
            memory.free()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application read a body. What comes after its answer is received and discarded for a while."""
        try:
            _check_encoding(scope)
        except _RefusedError as refused:
            await _refuse(scope, receive, send, refused.status or 415, refused.detail)
            return
        ended = False

        async def watched() -> Message:
            nonlocal ended
            message = await receive()
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            if ended:
                await send(message)
            elif message["type"] == "http.response.start":
                await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
            else:
                await send({**message, "more_body": True})
                if not message.get("more_body", False):
                    await _discard(receive)
                    await send({"type": "http.response.body", "body": b""})

        await self._app(scope, watched, answer)

    def room(self) -> int:
        """Bytes that may still be set aside."""
        return self._memory - self.held

    async def _read(self, receive: Receive, memory: _Reservation) -> bytes:
        parts, size = [], 0
        seconds = BODY_SECONDS if self._seconds is None else self._seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _RefusedError(None)
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._limit:
                        raise _RefusedError(413)
                    memory.grow(size)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            detail = f"The body did not arrive within {seconds:g} seconds; send it again."
            raise _RefusedError(408, detail) from None


class _Reservation:
    """Memory set aside for one body, in bytes."""

    def __init__(self, reader: ReadBody) -> None:
        self._reader, self._size = reader, 0

    def grow(self, size: int) -> None:
        """Set aside so many bytes in all.

        Raises:
            _RefusedError: there is no room (503).
        """
        more = size - self._size
        if more > 0:
            if more > self._reader.room():
                raise _RefusedError(503, "The service receives as much as it can hold. Try again in a second.")
            self._reader.held += more
            self._size = size

    def free(self) -> None:
        """Give the memory back."""
        self._reader.held -= self._size
        self._size = 0


def _check_encoding(scope: Scope) -> None:
    if dict(scope["headers"]).get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise _RefusedError(415, "Compressed bodies are not read here; send the body as it is.")


def _announced(scope: Scope, limit: int) -> int:
    """The announced length in bytes; 0 where none is announced."""
    _check_encoding(scope)
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > limit:
        raise _RefusedError(413)
    return int(length)


def replaying(messages: Iterable[Message], receive: Receive) -> Receive:
    """A `receive` that gives these messages again, then what comes after them."""
    left = iter(messages)

    async def again() -> Message:
        message = next(left, None)
        return message if message is not None else await receive()

    return again


async def _discard(receive: Receive) -> None:
    """Receive the rest of a body, for a while."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            more = True
            while more:
                message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
    except TimeoutError:
        pass


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answer with a problem document at once, and discard what the client still sends."""
    answer = problem(status, detail, instance=scope["path"], headers={"connection": "close"})
    await answer_unread(scope, receive, send, answer, discard=status in (413, 415))


async def answer_unread(scope: Scope, receive: Receive, send: Send, answer: Response, *, discard: bool = True) -> None:
    """Answer before the body was received.

    Args:
        answer: closes the connection.
        discard: receive what the client still sends.
    """
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    waits = any(name == b"expect" for name, _ in scope["headers"])  # it sends nothing before it is told to go on
    if discard and not waits:
        await _discard(receive)
    await send({"type": "http.response.body", "body": b""})
