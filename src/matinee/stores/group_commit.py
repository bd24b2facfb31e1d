"""Group commit: what several threads write at the same time is committed together.

Callers queue their jobs. While one of them commits what has queued up, the others wait; then those whose jobs were
committed return, and one of the others goes on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from matinee.databases.lifetime import Lifetime
from matinee.errors import MatineeError, StoreError

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
        work: writes to what the store gives it, a connection or a commit in the making. It raises a `MatineeError`
            before it writes, or not at all.
        weight: about how many rows or documents it writes.
        alone: it shares no commit with others.
    """

    work: Callable[[C], T]
    weight: int = 1
    alone: bool = False
    done: bool = False
    result: T | None = None
    error: Exception | None = None


def run(jobs: Iterable[Job[C, Any]], target: C) -> None:
    """Do the work of jobs, and set their results, and errors of those that wrote nothing."""
    for job in jobs:
        job.error = None
        try:
            job.result = job.work(target)
        except MatineeError as error:
            job.error = error


class GroupCommit(Generic[J]):
    """The writes of one process. Thread-safe.

    Args:
        commit: runs jobs and commits what they wrote. If it raises, nothing of them is stored, or the error says that
            this is not known.
        lifetime: of what it commits to.
        by_one: whether one of several jobs may be the cause of an error, so that the others should not fail: each is
            then committed alone. Nothing may be stored.
    """

    def __init__(
        self,
        commit: Callable[[list[J]], None],
        lifetime: Lifetime,
        by_one: Callable[[Exception], bool] = lambda error: False,  # noqa: ARG005
    ) -> None:
        self._commit, self._lifetime, self._by_one = commit, lifetime, by_one
        self._queue: deque[J] = deque()
        self._turn = threading.Condition()
        self._busy = False

    def write(self, job: J) -> Any:
        """Commit a job, possibly together with others. Returns the result of its work, or raises its error."""
        self._lifetime.check()  # before the lock, which another thread may have held when this process was forked
        self._queue.append(job)
        while not job.done:
            with self._turn:
                self._turn.wait_for(lambda: job.done or not self._busy)
                if job.done:
                    break
                self._busy = True
            try:
                self._commit_next()
            finally:
                with self._turn:
                    self._busy = False
                    self._turn.notify_all()
        if job.error is not None:
            raise job.error
        return job.result

    def _commit_next(self) -> None:
        jobs = self._next_group()
        try:
            self._commit_all(jobs)
        except BaseException:
            # This thread was interrupted. The other callers must get an error instead of hanging.
            for job in jobs:
                job.error = job.error or StoreError("The write was interrupted.", "Try again.")
            raise
        finally:
            for job in jobs:
                job.done = True

    def _commit_all(self, jobs: list[J]) -> None:
        try:
            self._commit(jobs)
        except Exception as error:
            if len(jobs) > 1 and self._by_one(error):
                for job in jobs:
                    self._commit_all([job])
                return
            for job in jobs:
                job.error = job.error or error

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
