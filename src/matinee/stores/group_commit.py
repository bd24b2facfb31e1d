"""Group commit: what several threads write at the same time is committed together.

Callers queue their jobs and take the lock in turn. Who holds it commits the jobs that have queued up. A caller returns
after its job was committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from matinee.databases.lifetime import Lifetime
from matinee.errors import StoreError

C = TypeVar("C")
T = TypeVar("T")
J = TypeVar("J", bound="Job[Any, Any]")

MAX_GROUP = 256
"""Maximum number of jobs in one commit."""
MAX_WEIGHT = 20_000
"""A commit of this weight takes no further job."""


@dataclass(eq=False, kw_only=True)
class Job(Generic[C, T]):
    """One caller's write, and its result or error.

    Attributes:
        work: writes to what the store gives it, a connection or a commit in the making.
        weight: about how many rows or documents it writes.
        alone: it shares no commit with others.
    """

    work: Callable[[C], T]
    weight: int = 1
    alone: bool = False
    done: bool = False
    result: T | None = None
    error: Exception | None = None


class GroupCommit(Generic[J]):
    """The writes of one process. Thread-safe.

    Args:
        commit: commits jobs, and sets the result of each, or its error if it alone failed. What it raises is the
            error of all jobs.
        lifetime: of what it commits to.

    Attributes:
        lock: held during a commit.
    """

    def __init__(self, commit: Callable[[list[J]], None], lifetime: Lifetime) -> None:
        self._commit, self._lifetime = commit, lifetime
        self.lock = threading.Lock()
        self._queue: deque[J] = deque()

    def write(self, job: J) -> Any:
        """Commit a job, possibly together with others. Returns the result of its work, or raises its error."""
        self._lifetime.check()  # before the lock, which another thread may have held when this process was forked
        self._queue.append(job)
        with self.lock:
            while not job.done:
                self._commit_next()
        if job.error is not None:
            raise job.error
        return job.result

    def _commit_next(self) -> None:
        jobs = self._next_group()
        try:
            self._commit(jobs)
        except Exception as error:
            for job in jobs:
                job.error = job.error or error
        except BaseException:
            # This thread was interrupted. The other callers must get an error instead of hanging.
            for job in jobs:
                job.error = job.error or StoreError("The write was interrupted.", "Try again.")
            raise
        finally:
            for job in jobs:
                job.done = True

    def _next_group(self) -> list[J]:
        """The jobs of the next commit, in the order in which they came."""
        jobs = [self._queue.popleft()]
        weight = jobs[0].weight
        while self._queue and len(jobs) < MAX_GROUP and not jobs[0].alone:
            weight += self._queue[0].weight
            if self._queue[0].alone or weight > MAX_WEIGHT:
                break
            jobs.append(self._queue.popleft())
        return jobs
