"""Cuts a body of any length into batches of lines, as it arrives, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, Literal, NamedTuple

from starlette.types import Message, Receive, Scope

from matinee.api.protocol import STOP, Stop

MAX_LINE = 1 << 20
"""Bytes of a line; of longer ones the rest is received and dropped."""
BATCH_LINES = 2000
"""Lines of a batch."""
BATCH_BYTES = 1 << 20
"""Bytes after which a batch is complete, however few lines it has."""
IDLE_SECONDS = 30.0
"""Time, waited for the client alone, within which it must send `IDLE_BYTES`, or all that is left."""
IDLE_BYTES = 16 << 10

End = Literal["complete", "slow", "gone", "stopping"]
"""Why no more lines come: the body is complete, its client is too slow or gone, or the server stops."""


class Line(NamedTuple):
    """A line of a body.

    Attributes:
        data: without its end; of a line that is too long the begin.
        size: bytes, with its end.
    """

    data: bytes
    size: int

    @property
    def too_long(self) -> bool:
        """Whether the line is longer than `MAX_LINE`."""
        return self.size > MAX_LINE + 1


class Batch(NamedTuple):
    """Lines that follow each other.

    Attributes:
        end: why these are the last; None: more may follow. Where the body is not complete, the begin of a line
            that had not come to its end is left out.
    """

    lines: list[Line]
    end: End | None


class LineReader:
    """Reads one body.

    Args:
        scope: of the request; a server that stops is heeded where it says so (`protocol.Stop`).
        receive: of the request.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._stop: Stop | None = scope.get("extensions", {}).get(STOP, {}).get("stop")
        if self._stop is not None:
            self._stop.heeded = True
        self._waited, self._brought = 0.0, 0
        self._end: End | None = None
        self._head, self._dropped = bytearray(), 0  # of a line that is not complete
        self._lines: list[Line] = []
        self._size = 0

    async def batches(self) -> AsyncIterator[Batch]:
        """All batches; the last one says why it is, and may have no lines."""
        while self._end is None:
            data = await self._part()
            start = 0
            while (stop := data.find(b"\n", start)) >= 0:
                self._add(data[start:stop], ends=True)
                start = stop + 1
                if len(self._lines) >= BATCH_LINES or self._size >= BATCH_BYTES:
                    yield self._batch(None)
            self._grow(data[start:])
        if self._end == "complete" and (self._head or self._dropped):
            self._add(b"", ends=False)
        yield self._batch(self._end)

    def _batch(self, end: End | None) -> Batch:
        batch = Batch(self._lines, end)
        self._lines, self._size = [], 0
        return batch

    def _grow(self, data: bytes) -> None:
        room = MAX_LINE + 1 - len(self._head)
        self._head += data[:room]
        self._dropped += max(0, len(data) - room)

    def _add(self, rest: bytes, *, ends: bool) -> None:
        """Complete a line."""
        if not self._head and len(rest) <= MAX_LINE:
            line = Line(rest, len(rest) + ends)
        else:
            self._grow(rest)
            line = Line(bytes(self._head), len(self._head) + self._dropped + ends)
            self._head, self._dropped = bytearray(), 0
        self._lines.append(line)
        self._size += len(line.data)

    async def _part(self) -> bytes:
        """The next part of the body; b"" and `_end` where there is none."""
        before = monotonic()
        message = await self._message(IDLE_SECONDS - self._waited)
        self._waited += monotonic() - before
        if message is None:
            return b""
        if message["type"] != "http.request":
            self._end = "gone"
            return b""
        data: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            self._end = "complete"
        self._brought += len(data)
        if self._brought >= IDLE_BYTES:
            self._waited, self._brought = 0.0, 0
        return data

    async def _message(self, seconds: float) -> Message | None:
        """What the server gives next; None and `_end` where it comes too late, or the server stops."""
        receiving = asyncio.ensure_future(self._receive())
        waited: set[asyncio.Future[Any]] = {receiving}
        if self._stop is not None:
            waited.add(asyncio.ensure_future(self._stop.event.wait()))
        try:
            await asyncio.wait(waited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
            if self._stop is not None and self._stop.event.is_set():
                self._end = "stopping"
                return None
            if not receiving.done():
                self._end = "slow"
                return None
            return receiving.result()
        finally:
            for one in waited:
                one.cancel()
