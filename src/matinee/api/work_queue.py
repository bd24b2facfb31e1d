"""A bounded queue of long work (encoding, fitting): as many tasks at a time as there are processors, 503 beyond it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, TypeVar

from matinee._util.processors import processor_count
from matinee.errors import EncoderError, MatineeError

T = TypeVar("T")
MAX_WAITING = 128
"""Tasks (an image, eight texts) that may wait; about two seconds on two processors."""


class WorkQueue:
    """Runs tasks in threads; requests take turns, each with its next task. Only for the event loop's thread.

    A request of many tasks so delays one of a single task by one of its own. Turns are not by address: most requests
    come from one core, searches of visitors and the embedding of many films alike.

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
        self._running = 0
        self._waiting: OrderedDict[object, deque[_Task]] = OrderedDict()
        """Tasks by request; the first one's turn is next."""

    @property
    def pieces(self) -> int:
        """Tasks that run or wait."""
        return self._running + sum(len(tasks) for tasks in self._waiting.values())

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
        pieces = self.pieces
        if pieces and pieces + len(works) > self._max_pieces:
            raise self._busy()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="matinee-work")
        loop = asyncio.get_running_loop()
        # Each with its own copy of the request's context: logs and calls of other services name the request.
        key = object()
        tasks = [_Task(key, partial(copy_context().run, work), loop.create_future()) for work in works]
        if tasks:
            self._waiting[key] = deque(tasks)
        self._start_next()
        try:
            return [await task.result for task in tasks]
        finally:
            for task in tasks:
                task.result.cancel()
            self._waiting.pop(key, None)

    def _start_next(self) -> None:
        while self._pool is not None and self._waiting and self._running < self.threads:
            key, tasks = next(iter(self._waiting.items()))
            task = tasks.popleft()
            if tasks:
                self._waiting.move_to_end(key)
            else:
                del self._waiting[key]
            self._running += 1
            self._pool.submit(task.work).add_done_callback(partial(self._done, self._pool, task))

    def _done(self, pool: ThreadPoolExecutor, task: _Task, future: Future[Any]) -> None:
        """In the thread of the task."""
        with suppress(RuntimeError):  # the loop has ended
            task.result.get_loop().call_soon_threadsafe(self._finish, pool, task, future)

    def _finish(self, pool: ThreadPoolExecutor, task: _Task, future: Future[Any]) -> None:
        if future.cancelled():
            task.result.cancel()
        elif not task.result.done():
            error = future.exception()
            if error is None:
                task.result.set_result(future.result())
            else:
                task.result.set_exception(error)
        if pool is self._pool:  # otherwise it was closed
            self._running -= 1
            if task.key in self._waiting:  # behind what has come meanwhile
                self._waiting.move_to_end(task.key)
            self._start_next()

    def close(self) -> None:
        """End the threads; waiting tasks are not started. Later tasks start new threads."""
        pool, self._pool = self._pool, None
        waiting, self._running = list(self._waiting.values()), 0
        self._waiting.clear()
        for task in (task for tasks in waiting for task in tasks):
            task.result.cancel()
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _busy(self) -> MatineeError:
        return self._failure(f"The service has as much to {self._doing} as it can take.", "Try again in a second.")


class _Task(NamedTuple):
    """A task of a request, and where its result goes."""

    key: object
    work: Callable[[], Any]
    result: asyncio.Future[Any]
