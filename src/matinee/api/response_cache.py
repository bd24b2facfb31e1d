"""The response cache: answers as bytes, valid until something that they depend on changes."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from time import thread_time
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache

from matinee.api.joint_threads import JointThreads, JointWork, never
from matinee.stores.base import Exposure

T = TypeVar("T")
Header = tuple[bytes, bytes]
Version = tuple[str, int, int]
"""Snapshot id, films' version, the user's version (0 without a user): what an answer depends on.

Take it *before* computing the answer: a write in between then makes the answer out of date, never wrong.
"""

CONTENT_TYPE: Header = (b"content-type", b"application/json")
"""Of all cached answers."""
MAX_SLOW = 10_000
"""Keys remembered as slow, at most."""
_OVERHEAD = 600
"""Bytes that an entry takes besides its key and body, about."""


class Made(NamedTuple):
    """An answer's bytes, whether they may be cached, and `arm` and `shown` of `CachedResponse`."""

    body: bytes
    keep: bool
    arm: str | None = None
    shown: Exposure | None = None


class CachedResponse(NamedTuple):
    """One cached answer.

    Attributes:
        route: its path's template.
        user_id: None: it depends on no user.
        arm: of the experiment that it was made under, "": of none; None: no experiment changes it.
        shown: the list as it is logged at each answer, where an experiment made it.
    """

    route: str
    user_id: str | None
    version: Version
    headers: list[Header]
    body: bytes
    arm: str | None = None
    shown: Exposure | None = None

    @classmethod
    def of(cls, route: str, user_id: str | None, version: Version, body: bytes, *of_arm: Any) -> CachedResponse:
        """An answer of JSON bytes with status 200; `arm` and `shown` may follow."""
        headers = [(b"content-length", b"%d" % len(body)), CONTENT_TYPE]
        return cls(route, user_id, version, headers, body, *of_arm)


class ResponseCache:
    """Cached answers; the least recently used ones are evicted first. Only for the event loop's thread.

    Args:
        limit: bytes in all; 0: nothing is cached.
    """

    def __init__(self, limit: int) -> None:
        self._answers: LRUCache[tuple[str, bytes], tuple[int, CachedResponse]] = LRUCache(limit, itemgetter(0))

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def size(self) -> int:
        """Bytes that the answers take."""
        return int(self._answers.currsize)

    def get(self, path: str, query: bytes) -> CachedResponse | None:
        """The cached answer to this request, outdated or not; the caller compares its version."""
        try:
            return self._answers[path, query][1]
        except KeyError:
            return None

    def drop(self, path: str, query: bytes) -> None:
        """Drop an outdated answer."""
        self._answers.pop((path, query), None)

    def put(self, path: str, query: bytes, answer: CachedResponse) -> None:
        """Cache an answer, unless it takes more than a quarter of the limit."""
        size = len(path) + len(query) + len(answer.body) + _OVERHEAD
        if size <= self._answers.maxsize // 4:
            self._answers[path, query] = size, answer


class AdaptiveExecutor:
    """Runs fast work in the event loop's thread, slow work in another thread.

    A thread costs a tenth of a millisecond, and milliseconds where others compute; work of many milliseconds
    would hold up every other request. What is slow is measured: by the mean of all work, and by key (a user with
    thousands of ratings costs many times the mean).

    Args:
        limit: seconds of processor time that fast work takes (elapsed time would depend on the machine's
            load).
        threads: most pieces of work in threads at a time; more would not be faster, and each takes memory.
        waits: the work waits for another machine, which must not hold up the event loop: all of it takes a thread.
        crowded: see `JointThreads`.
    """

    def __init__(
        self,
        limit: float = 0.002,
        threads: int = 4,
        *,
        waits: bool = False,
        crowded: Callable[[], bool] = never,
    ) -> None:
        self.limit, self.waits = limit, waits
        self.mean = 2 * limit  # unknown work starts in a thread
        self._slow: set[str] = set()
        self._threads = CapacityLimiter(threads)
        self._joint = JointThreads(self._learn, crowded)

    async def run(self, work: Callable[[], T] | JointWork[T], *, key: str = "", heavy: bool = False) -> T:
        """The result of `work()`.

        Args:
            key: work of one key takes about the same time each time.
            heavy: it surely is slow: take a thread, and learn nothing from it.
        """
        if heavy or self.waits:
            return await to_thread.run_sync(work, limiter=self._threads)
        if self.mean > self.limit or key in self._slow:
            if isinstance(work, JointWork):
                return await self._joint.run(work, key)
            return await to_thread.run_sync(self._timed, work, key, limiter=self._threads)
        return self._timed(work, key)

    def _timed(self, work: Callable[[], T], key: str) -> T:
        start = thread_time()
        try:
            return work()
        finally:
            self._learn(thread_time() - start, key)

    def _learn(self, took: float, key: str) -> None:
        # A single slow piece of work says little about the others.
        self.mean += 0.1 * (min(took, 2 * self.limit) - self.mean)
        if took <= self.limit:
            self._slow.discard(key)
        elif len(self._slow) < MAX_SLOW:
            self._slow.add(key)
