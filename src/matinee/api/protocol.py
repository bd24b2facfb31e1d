"""HTTP over one connection: uvicorn's protocol with a limit on heads, in bytes and in seconds, and whole answers.

uvicorn collects request lines, headers and trailers of any size, and waits for their end for ever;
no setting limits that for httptools. It also checks and writes each header of each answer anew, which takes as long as
finding a cached answer. `tests/api/test_protocol.py` fails where a version of uvicorn changes what is overridden or
relied on here.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.events import TimerHandle

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger("matinee.api")

MAX_HEAD = 64 << 10
"""Bytes of a head (what does not fit into one read: a single read brings up to 256 KiB), or between parts of a body."""
HEAD_SECONDS = 30.0
"""Time from the first to the last byte of a head, and from connecting to the end of the first head."""

_TEXT = b"The request line and headers are too long; send at most 64 KiB."
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_TEXT), _TEXT)
)


STOP = "matinee.stop"
"""The extension of a request's scope that holds its `Stop`."""
WHOLE = "matinee.whole"
"""The extension that holds `BoundedHttpProtocol._send_whole`."""


class Stop:
    """Tells an application that reads a body for long that the server stops.

    Attributes:
        heeded: whether the application looks at it, and ends soon by itself.
    """

    __slots__ = ("_event", "heeded")

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None
        self.heeded = False

    @property
    def event(self) -> asyncio.Event:
        """Set when the server stops; made when it is first asked for, as few requests do."""
        if self._event is None:
            self._event = asyncio.Event()
        return self._event


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _timeout: TimerHandle | None = None
    _reading_head = False
    _receives_body = False
    _stop: Stop
    _whole: dict[object, object]
    _pending_bytes = 0
    """Bytes received since the last finished head or part of a body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._whole = {"send": self._send_whole}
        self._timeout = self.loop.call_later(HEAD_SECONDS, self._on_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what was received; refuse a head that is too long."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > MAX_HEAD and not self.transport.is_closing():
            log.warning("A request was refused: its head is longer than %d bytes.", MAX_HEAD)
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._reading_head and self._timeout is None:
            self._timeout = self.loop.call_later(HEAD_SECONDS, self._on_timeout)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._reading_head = True
        super().on_message_begin()
        self._stop = Stop()
        self.scope["extensions"] = {STOP: {"stop": self._stop}, WHOLE: self._whole}

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._reading_head = False
        self._receives_body = True
        self._cancel_timeout()
        self._pending_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._receives_body = False
        self._pending_bytes = 0
        super().on_message_complete()

    def _send_whole(self, scope: Scope, answer: bytes) -> bool:
        """Write a whole answer, status line, headers and body, as it is; False: not possible now, use `send`.

        Args:
            scope: of the request, which has received nothing and sent nothing yet.
            answer: has the length of its body, and leaves the connection open.
        """
        cycle = self.cycle
        if (
            cycle.scope is not scope  # others came after it on this connection
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(answer)
        cycle.on_response()
        return True

    def shutdown(self) -> None:
        """The server stops: requests in progress are finished, but no body is waited for."""
        if self._receives_body and self._stop.heeded:
            self._stop.event.set()
        elif self._receives_body:
            self.transport.close()
        else:
            super().shutdown()

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _on_timeout(self) -> None:
        self._timeout = None
        if not self.transport.is_closing():
            self.transport.close()
