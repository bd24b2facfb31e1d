"""HTTP over one connection: uvicorn's protocol with a limit on heads, in bytes and in seconds.

uvicorn collects request lines, headers and trailers of any size, and waits for their end for ever.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger("matinee.api")

MOST_HEAD = 64 << 10
"""Bytes of a head (what does not fit into one read: a single read brings up to 256 KiB), or between parts of a body."""
HEAD_SECONDS = 30.0
"""Time from the first to the last byte of a head, and from connecting to the end of the first head."""

_TEXT = b"The request line and headers are too long; send at most 64 KiB."
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_TEXT), _TEXT)
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _waiting: TimerHandle | None = None
    _in_head = False
    _unseen = 0
    """Bytes received since the last finished head or part of a body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head has become too long."""
        self._unseen += len(data)
        super().data_received(data)
        if self._unseen > MOST_HEAD and not self.transport.is_closing():
            log.warning("A request was refused: its head is longer than %d bytes.", MOST_HEAD)
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._in_head and self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._in_head = False
        self._stop_waiting()
        self._unseen = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._unseen = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._unseen = 0
        super().on_message_complete()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_slow(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.close()
