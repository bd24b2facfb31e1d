"""A bounded queue of long work (encoding, fitting): as many tasks at a time as there are processors, 503 beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from fastapi import Request

from matinee._util.processors import processor_count
from matinee.errors import EncoderError, MatineeError

T = TypeVar("T")
MAX_WAITING = 128
"""Tasks (an image, eight texts) that may wait; about two seconds on two processors."""
MAX_BODIES = 8
"""Bodies of the largest size that are held at a time; many more small ones."""


class WorkQueue:
    """Runs tasks in threads, first in, first out. Only for the event loop's thread.

    Args:
        workers: processes that share the machine's processors.
        max_body: largest body, in bytes.
        max_waiting: tasks that may wait besides those that run.
        doing: what the service does with them, for the message.
        failure: raised where no more fit (503).
    """

    def __init__(
        self,
        workers: int,
        max_body: int,
        max_waiting: int = MAX_WAITING,
        *,
        doing: str = "encode",
        failure: type[MatineeError] = EncoderError,
    ) -> None:
        self._doing, self._failure = doing, failure
        self.threads = max(1, processor_count() // workers)
        self._pool: ThreadPoolExecutor | None = None
        self._max_body = max_body
        self._max_pieces = max_waiting + self.threads
        self.pieces = 0
        """Tasks that run or wait."""
        self.held = 0
        """Bytes of bodies."""

    @asynccontextmanager
    async def holding(self, request: Request) -> AsyncIterator[None]:
        """Around reading a body and working on it: memory for the body is set aside before it is read.

        Raises:
            MatineeError: no memory is left (503).
        """
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else self._max_body
        if self.held + size > MAX_BODIES * self._max_body or self.pieces >= self._max_pieces:
            raise self._busy()
        self.held += size
        try:
            yield
        finally:
            self.held -= size

    async def run(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """Results in order.

        Raises:
            MatineeError: too much is waiting (503); a request to an empty queue is always accepted.
            Exception: the first failure; the rest is not started.
        """
        if self.pieces and self.pieces + len(works) > self._max_pieces:
            raise self._busy()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="matinee-work")
        self.pieces += len(works)
        futures = [self._pool.submit(work) for work in works]
        for future in futures:
            future.add_done_callback(self._done(asyncio.get_running_loop()))
        try:
            return [await asyncio.wrap_future(future) for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _done(self, loop: asyncio.AbstractEventLoop) -> Callable[[object], None]:
        def done(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._less)

        return done

    def _less(self) -> None:
        self.pieces -= 1

    def close(self) -> None:
        """End the threads; waiting tasks are not started. Later tasks start new threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool, self.pieces = None, 0

    def _busy(self) -> MatineeError:
        return self._failure(f"The service has as much to {self._doing} as it can take.", "Try again in a second.")
