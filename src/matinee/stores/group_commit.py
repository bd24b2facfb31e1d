"""Group commit: what several threads write at the same time is committed together.

Callers queue their jobs. While one of them commits what has queued up, the others wait, each for an event of its own;
then those whose jobs were committed return, and the caller of the next job commits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
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
        queued: when it was queued (`monotonic`).
        turn: of a caller that waits: set when the job is done, or its caller has to commit.
    """

    work: Callable[[C], T]
    weight: int = 1
    alone: bool = False
    done: bool = False
    result: T | None = None
    error: Exception | None = None
    queued: float = 0.0
    turn: threading.Event | None = None


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
        locked: whether an error says that somebody else held a lock for too long. Jobs that have waited for less than
            `patience` are tried again, the others fail with it.
        patience: seconds that a job waits for others' locks.
    """

    def __init__(
        self,
        commit: Callable[[list[J]], None],
        lifetime: Lifetime,
        by_one: Callable[[Exception], bool] = lambda error: False,  # noqa: ARG005
        locked: Callable[[Exception], bool] = lambda error: False,  # noqa: ARG005
        patience: float = float("inf"),
    ) -> None:
        self._commit, self._lifetime, self._by_one, self._locked = commit, lifetime, by_one, locked
        self._patience = patience
        self._queue: deque[J] = deque()
        self._lock = threading.Lock()
        self._busy = False
        """Whether a caller commits, or was told to."""

    def write(self, job: J) -> Any:
        """Commit a job, possibly together with others. Returns the result of its work, or raises its error."""
        self._lifetime.check()  # before the lock, which another thread may have held when this process was forked
        turn = threading.Event() if self._busy else None  # most likely it is needed, and making it takes long
        with self._lock:
            job.queued = monotonic()
            self._queue.append(job)
            commits, self._busy = not self._busy, True
            turn = job.turn = None if commits else turn or threading.Event()
        if turn is not None:
            self._wait(job, turn)
        if not job.done:
            try:
                while not job.done:
                    self._commit_next()
            finally:
                self._hand_on()
        if job.error is not None:
            raise job.error
        return job.result

    def _wait(self, job: J, turn: threading.Event) -> None:
        """Until the job is done, or this caller is the one who commits."""
        try:
            turn.wait()
        except BaseException:  # this thread was interrupted
            with self._lock:
                if job in self._queue:
                    self._queue.remove(job)
                commits = turn.is_set() and not job.done
            if commits:
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Let the caller of the next job commit, if there is one."""
        with self._lock:
            self._busy = bool(self._queue)
            turn = self._queue[0].turn if self._queue else None
            if turn is not None:
                turn.set()

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
            failed = next((job.error for job in jobs if job.error is not None and self._locked(job.error)), None)
            if failed is not None:
                jobs = self._sorted_out(jobs, failed)
            for job in jobs:
                job.done = True
                if job.turn is not None:
                    job.turn.set()

    def _sorted_out(self, jobs: list[J], error: Exception) -> list[J]:
        """After a lock was held for too long: the jobs that are done, or have waited long enough and fail.

        The others are queued again.
        """
        before = monotonic() - self._patience
        with self._lock:
            again = [job for job in jobs if job.error is not None and self._locked(job.error) and job.queued > before]
            late = [job for job in self._queue if job.queued <= before]
            for job in late:
                self._queue.remove(job)
                job.error = error
            for job in again:
                job.error = None
            self._queue.extendleft(reversed(again))
        return [job for job in jobs if job not in again] + late

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
        with self._lock:
            jobs = [self._queue.popleft()]
            weight = jobs[0].weight
            while self._queue and len(jobs) < MAX_GROUP and not jobs[0].alone:
                weight += self._queue[0].weight
                if self._queue[0].alone or weight > MAX_WEIGHT:
                    break
                jobs.append(self._queue.popleft())
        return jobs
