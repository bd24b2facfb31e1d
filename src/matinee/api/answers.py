"""Ready answers: bytes kept for as long as nothing that they depend on has changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, Protocol, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
Header = tuple[bytes, bytes]
Version = tuple[tuple[str, int], int]
"""(snapshot id and films' version, the user's version): what an answer depends on."""

_OVERHEAD = 600
"""Bytes that an entry takes besides its key and body, about."""


class Versioned(Protocol):
    """What tells whether an answer still holds; both calls take microseconds (see `Engine`)."""

    def revision(self) -> tuple[str, int]:
        """Snapshot id and films' version."""
        ...

    def user_version(self, user_id: str) -> int:
        """Version of a user's data."""
        ...


class Ready(NamedTuple):
    """One ready answer; `route` is its path's template, `user_id` None: it depends on no user."""

    route: str
    user_id: str | None
    version: Version
    headers: list[Header]
    body: bytes
    size: int


def version_of(source: Versioned, user_id: str | None) -> Version:
    """The version of everything that an answer for this user depends on.

    Take it *before* computing the answer: a write in between then makes the answer out of date, never wrong.
    """
    return source.revision(), source.user_version(user_id) if user_id is not None else 0


class AnswerCache:
    """Least recently used answers are dropped first. Only for the event loop's thread.

    Args:
        limit: most bytes kept; 0 keeps nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._answers: OrderedDict[tuple[str, bytes], Ready] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, path: str, query: bytes, source: Versioned) -> Ready | None:
        """The answer to this request, if there is one and it still holds."""
        key = (path, query)
        ready = self._answers.get(key)
        if ready is None:
            return None
        revision, version = ready.version
        if source.revision() != revision or (
            ready.user_id is not None and source.user_version(ready.user_id) != version
        ):
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return ready

    def put(self, path: str, query: bytes, route: str, user_id: str | None, version: Version, body: bytes) -> None:
        """Keep an answer, and drop old ones where it does not fit."""
        key, size = (path, query), len(path) + len(query) + len(body) + _OVERHEAD
        if size > self.limit // 4:
            return
        if key in self._answers:
            self._drop(key)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self._answers[key] = Ready(route, user_id, version, headers, body, size)
        self.size += size
        while self.size > self.limit:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: tuple[str, bytes]) -> None:
        self.size -= self._answers.pop(key).size


class Pace:
    """Runs work that takes about a millisecond in place, slower work in a thread.

    A thread costs a tenth of a millisecond and more under load; work of many milliseconds would hold up
    every other request.

    Args:
        limit: seconds that work may take in place.
    """

    def __init__(self, limit: float = 0.003) -> None:
        self.limit = limit
        self.mean = 2 * limit  # unknown work starts in a thread

    async def run(self, work: Callable[[], T], *, heavy: bool = False) -> T:
        """The result of `work()`; `heavy` always takes a thread and leaves the mean alone."""
        if heavy:
            return await run_in_threadpool(work)
        if self.mean > self.limit:
            return await run_in_threadpool(self._timed, work)
        return self._timed(work)

    def _timed(self, work: Callable[[], T]) -> T:
        start = perf_counter()
        try:
            return work()
        finally:
            self.mean += 0.1 * (perf_counter() - start - self.mean)
