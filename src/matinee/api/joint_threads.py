"""One thread for work that computes, or a few beside other work; requests that wait for one are begun together.

A second thread makes both slower: most steps of a list take microseconds between two holds of the interpreter's lock,
and handing it over takes as long. What helps is to do for several requests at once what they share, and they wait
anyhow: nothing waits for others to come. Beside threads that write, one would get too small a share of the lock.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from time import perf_counter, thread_time
from typing import Any, Generic, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread

from matinee._util.request_context import passed

log = logging.getLogger("matinee.api")
FEWEST, MOST = 4, 8
"""Requests that are begun together: a product with two or three vectors takes longer than one after another on some
processors, and of more than eight the first would wait for long, while each takes little less."""

THREADS = 2
"""Threads beside other work: with four, lists and writes both were slower (docs/decisions/0030-batched-lists.md)."""

T = TypeVar("T")


def never() -> bool:
    """No other threads compute."""
    return False


class JointWork(ABC, Generic[T]):
    """Work whose beginning takes less time for several requests together."""

    @abstractmethod
    def __call__(self) -> T:
        """Do it, or the rest of it."""

    @abstractmethod
    def together(self, works: Sequence[JointWork[Any]]) -> None:
        """Begin several, of which this is one; those of other kinds are left alone. Where it fails, each goes alone."""


class JointThreads:
    """Does work in one thread, in order, or in a few. Only for the event loop's thread.

    Args:
        told: is told the seconds of processor time that each piece of work took, and its key; in the thread.
        crowded: whether other threads compute; more than one thread is taken then.
    """

    def __init__(self, told: Callable[[float, str], None], crowded: Callable[[], bool] = never) -> None:
        self._told, self._crowded = told, crowded
        self._waiting: deque[_Entry] = deque()
        self._limiter = CapacityLimiter(THREADS)
        self._draining: set[asyncio.Task[None] | None] = set()

    async def run(self, work: JointWork[T], key: str = "") -> T:
        """The result of `work()`; canceled while it waits, it is not begun."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Entry(work, key, copy_context(), result))
        if len(self._draining) < (THREADS if self._crowded() else 1):
            task = loop.create_task(self._drain())
            self._draining.add(task)
        return await result

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await to_thread.run_sync(self._work, limiter=self._limiter)
        finally:  # not by a callback, which comes later: work that came between would wait for nobody
            self._draining.discard(asyncio.current_task())

    def _work(self) -> None:
        """In the thread: all that waits, and what comes meanwhile."""
        while batch := self._next():
            start = thread_time()
            try:
                if len(batch) >= FEWEST:
                    _begin(batch)
                for entry in batch:
                    entry.finish()
            finally:
                for entry in batch:
                    self._told((thread_time() - start) / len(batch), entry.key)

    def _next(self) -> list[_Entry]:
        batch: list[_Entry] = []
        with suppress(IndexError):
            while len(batch) < MOST:
                entry = self._waiting.popleft()
                if not entry.result.cancelled():
                    batch.append(entry)
        return batch


class _Entry(NamedTuple):
    """Work, in the context of its request, and where its result goes."""

    work: JointWork[Any]
    key: str
    context: Context
    result: asyncio.Future[Any]

    def finish(self) -> None:
        """Do the work, in the thread, and hand its result to the event loop."""
        if self.result.cancelled():
            return
        try:
            value, error = self.context.run(self.work), None
        except BaseException as caught:  # a panic of a library in Rust is no Exception; whoever waits must hear of it
            value, error = None, caught
        with suppress(RuntimeError):  # the loop has ended
            self.result.get_loop().call_soon_threadsafe(_settle, self.result, value, error)


def _settle(result: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)


def _begin(batch: Sequence[_Entry]) -> None:
    """What they share, in a context of its own; what fails is done by each alone."""
    start = perf_counter()
    try:
        Context().run(batch[0].work.together, [entry.work for entry in batch])
    except Exception:
        log.exception("Lists could not be begun together; each is made alone.")
    for entry in batch:
        entry.context.run(passed, "score", start, perf_counter())
