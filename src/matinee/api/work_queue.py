"""A bounded queue of long work (encoding, fitting): as many tasks at a time as there are processors, 503 beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from matinee._util.processors import processor_count
from matinee.errors import EncoderError, MatineeError

T = TypeVar("T")
MAX_WAITING = 128
"""Tasks (an image, eight texts) that may wait; about two seconds on two processors."""


class WorkQueue:
    """Runs tasks in threads, first in, first out. Only for the event loop's thread.

    Args:
        workers: processes that share the machine's processors.
        max_waiting: tasks that may wait besides those that run.
        doing: what the service does with them, for the message.
        failure: raised where no more fit (503).
    """

    def __init__(
        self,
        workers: int,
        max_waiting: int = MAX_WAITING,
        *,
        doing: str = "encode",
        failure: type[MatineeError] = EncoderError,
    ) -> None:
        self._doing, self._failure = doing, failure
        self.threads = max(1, processor_count() // workers)
        self._pool: ThreadPoolExecutor | None = None
        self._max_pieces = max_waiting + self.threads
        self.pieces = 0
        """Tasks that run or wait."""

    def check_room(self) -> None:
        """Before the work on a request begins, which may take time itself.

        Raises:
            MatineeError: too much is waiting (503).
        """
        if self.pieces >= self._max_pieces:
            raise self._busy()

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
        # Each with its own copy of the request's context: logs and calls of other services name the request.
        futures = [self._pool.submit(copy_context().run, work) for work in works]
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
