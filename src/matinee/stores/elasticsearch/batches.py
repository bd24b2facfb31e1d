"""Batches: the jobs of a group commit become one commit of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matinee.databases.elasticsearch import Cluster
from matinee.stores.elasticsearch.commits import Commit, Commits, next_commit
from matinee.stores.elasticsearch.entries import Address, Entry, Source, fold, opened
from matinee.stores.elasticsearch.names import Names
from matinee.stores.group_commit import Job, run
from matinee.stores.records import log_end


class Batch:
    """A commit in the making: the documents as they will be, and the entries that make them so.

    Attributes:
        documents: of all jobs; empty where there is none.
        seq: the last sequence number taken.
    """

    def __init__(self, seq: int, names: Names, documents: dict[Address, Source]) -> None:
        self.names, self.documents, self.seq = names, documents, seq
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Add an entry, whose number is the next one or the last one, and change the documents."""
        self.seq = max(self.seq, entry.seq)
        self.entries.append(entry)
        fold(entry, self.documents, self.names)


@dataclass(eq=False, kw_only=True)
class BatchJob(Job[Batch, int]):
    """One caller's write, whose work adds entries.

    Attributes:
        reads: documents that the work needs.
    """

    reads: Sequence[Address]


class Batches:
    """Commits jobs.

    Args:
        keep_log: minimum number of changes in the log.
    """

    def __init__(self, cluster: Cluster, commits: Commits, names: Names, keep_log: int) -> None:
        self._cluster, self._commits, self._names, self._keep_log = cluster, commits, names, keep_log

    def commit(self, jobs: Sequence[BatchJob]) -> None:
        """Make one commit of jobs.

        Raises:
            StoreError: the cluster cannot answer; see `Commits.commit`.
        """
        reads = list(dict.fromkeys(address for job in jobs for address in job.reads))
        while True:
            # First the commit, then the documents: if another commit comes between, this one does not succeed.
            before = self._commits.known or self._commits.settled()
            documents = (opened(document.source) for document in self._cluster.read(reads))
            batch = Batch(before.seq, self._names, dict(zip(reads, documents, strict=True)))
            run(jobs, batch)
            if not batch.entries or self._commits.commit(before, self._next(before, batch), batch.documents):
                return

    def _next(self, before: Commit, batch: Batch) -> Commit:
        new = next_commit(before, batch.entries, batch.seq)
        cut, slack = None, max(1, self._keep_log // 100)
        # Not at each commit: where marks keep more, looking takes a search.
        if new.seq - new.floor >= self._keep_log + slack and new.seq // slack > before.seq // slack:
            end = log_end(new.seq, new.floor, self._keep_log, self._commits.newest_marks())
            cut = self._commits.floor_before(end) if end >= new.floor + slack else None
        return new if cut is None else replace(new, floor=cut[0], dropped=cut[1], drops=True)
