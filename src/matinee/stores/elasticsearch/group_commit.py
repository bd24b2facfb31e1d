"""Group commit: what several threads write at the same time becomes one commit.

Callers queue their jobs and take the lock in turn. The holder of the lock commits all queued jobs. A caller returns
after its job was applied.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from matinee.errors import MatineeError, StoreError
from matinee.stores.elasticsearch.commits import Commit, Commits, next_commit
from matinee.stores.elasticsearch.entries import Address, Entry, Source, fold, opened
from matinee.stores.elasticsearch.names import Names

T = TypeVar("T")

MAX_GROUP = 256
"""Maximum number of jobs in one commit."""
MAX_ENTRIES = 20_000
"""A commit with this many entries takes no further job."""


class Batch:
    """A commit in the making: the documents as they will be, and the entries that make them so.

    Attributes:
        documents: of all jobs; empty where there is none.
        seq: the last sequence number taken.
        erases: ratings were erased, so that the log before this commit must go.
    """

    def __init__(self, seq: int, names: Names, documents: dict[Address, Source]) -> None:
        self.names, self.documents, self.seq = names, documents, seq
        self.entries: list[Entry] = []
        self.erases = False

    def add(self, entry: Entry) -> None:
        """Add an entry, whose number is the next one or the last one, and change the documents."""
        self.seq = max(self.seq, entry.seq)
        self.entries.append(entry)
        fold(entry, self.documents, self.names)


@dataclass
class Job(Generic[T]):
    """One caller's write.

    Attributes:
        reads: documents that the work needs.
        work: adds entries to a batch; raises before it has added one, or not at all.
        weight: about how many entries it adds.
        alone: it shares no commit with others.
    """

    reads: list[Address]
    work: Callable[[Batch], T]
    weight: int = 1
    alone: bool = False
    done: bool = False
    result: T | None = None
    error: BaseException | None = field(default=None)


class GroupCommit:
    """The writes of one process.

    Args:
        read: gives documents as they are now.
        cut: says where the log is to be cut at a commit with this last sequence number: (floor, dropped), or None.
    """

    def __init__(
        self,
        commits: Commits,
        names: Names,
        read: Callable[[list[Address]], list[Source]],
        cut: Callable[[Commit], tuple[int, int] | None],
    ) -> None:
        self._commits, self._names, self._read, self._cut = commits, names, read, cut
        self._lock = threading.Lock()
        self._queue: deque[Job[Any]] = deque()

    def write(self, job: Job[T]) -> T:
        """Commit a job, possibly together with others.

        Raises:
            MatineeError: raised by the job's work; nothing was stored.
            StoreError: the cluster cannot answer; see `Commits.commit`.
        """
        self._queue.append(job)
        with self._lock:
            if not job.done:
                self._run_queued()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _run_queued(self) -> None:
        while self._queue:
            jobs = self._next_group()
            try:
                self._run(jobs)
            except MatineeError as error:
                for job in jobs:
                    job.error = job.error or error
            finally:
                # If this thread was interrupted, waiting callers must get an error instead of hanging.
                for job in jobs:
                    if not job.done:
                        job.done = True
                        if job.error is None:
                            job.error = StoreError("The write was interrupted.", "Try again.")

    def _next_group(self) -> list[Job[Any]]:
        jobs = [self._queue.popleft()]
        weight = jobs[0].weight
        while self._queue and len(jobs) < MAX_GROUP and not jobs[0].alone:
            following = self._queue[0]
            weight += following.weight
            if following.alone or weight > MAX_ENTRIES:
                break
            jobs.append(self._queue.popleft())
        return jobs

    def _run(self, jobs: list[Job[Any]]) -> None:
        reads = list(dict.fromkeys(address for job in jobs for address in job.reads))
        while True:
            # First the commit, then the documents: if another commit comes between, this one does not succeed.
            before = self._commits.known or self._commits.settled()
            documents = dict(zip(reads, map(opened, self._read(reads)), strict=True))
            batch = Batch(before.seq, self._names, documents)
            for job in jobs:
                job.error = None
                try:
                    job.result = job.work(batch)
                except MatineeError as error:
                    job.error = error
            if not batch.entries or self._commits.commit(before, self._new(before, batch), batch.documents):
                break
        for job in jobs:
            job.done = True

    def _new(self, before: Commit, batch: Batch) -> Commit:
        new = next_commit(before, batch.entries, batch.seq)
        if batch.erases:
            return replace(new, floor=new.seq, dropped=before.number, drops=True)
        cut = self._cut(new)
        return new if cut is None else replace(new, floor=cut[0], dropped=cut[1], drops=True)
