"""SQLite connections of one process: a reader for each thread, one writer, and group commit.

Group commit: callers queue their work and take the write lock in turn; whoever holds it does everything queued
in one transaction (a savepoint for each caller, so that each is all or nothing) and one fsync. A caller returns
only after that commit.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from matinee.errors import MatineeError, StoreError
from matinee.stores import migrations
from matinee.stores.sqlite_errors import is_busy, store_error

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MAX_GROUP = 256
"""Most callers in one transaction."""
CHECKPOINT_MS = 50
CHECK_BELOW = 64 << 20
"""Files smaller than this (bytes) are checked whole when opened; it takes well under a second."""


class Reader:
    """One thread's connection and the newest sequence number it knows; closed with the thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.data_version = -1
        self.seq = -1

    def close(self) -> None:
        """Close the connection; a second time does nothing."""
        self.connection.close()

    __del__ = close


class Job(Generic[T]):
    """One caller's work and what became of it."""

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Connections:
    """All connections of one process to one database file; not usable after a fork (open anew in the child).

    Args:
        path: the file; it and its folder are made where absent.
        busy_timeout: seconds to wait for another process's write.
        after: called with the writer's connection at the end of every transaction (housekeeping).

    Raises:
        StoreError: the file is no database, damaged, of a newer version or of another program, or not writable.
    """

    def __init__(self, path: Path, busy_timeout: float, after: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._after = after
        self._pid = os.getpid()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._queue: deque[Job[object]] = deque()
        self._writer: sqlite3.Connection | None = None
        self._closed = False
        self._name = os.fspath(path)
        self._file: tuple[int, int] | None = None
        try:
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise store_error(error, path) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        wal = self.path.with_name(self.path.name + "-wal")
        size = self.path.stat().st_size if self.path.exists() else 0
        # SQLite would take an empty file for a new database and throw its log away.
        if not size and self.path.exists() and wal.exists() and wal.stat().st_size:
            raise sqlite3.DatabaseError("the file is empty, but its write-ahead log is not")
        writer = self._writer = self._connect()
        migrations.check(writer, self.path)
        self._set_wal(writer)
        migrations.migrate(writer, self.path)
        if size < CHECK_BELOW:
            found = writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(f"it is damaged ({found})")
        self._file = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        """Which file the path leads to now, None: none, or an empty one."""
        try:
            found = os.stat(self._name)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found.st_size else None

    def _set_wal(self, connection: sqlite3.Connection) -> None:
        # The busy handler does not cover this change of mode, so wait by hand for another process's first start.
        deadline = time.monotonic() + max(self._busy_timeout, 1.0)
        while True:
            try:
                if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                    return
                raise sqlite3.OperationalError("its file system does not support write-ahead logging")
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError("The store is closed.", "Open it again.")
        if self._pid != os.getpid():
            raise StoreError("The store was opened before this process was forked.", "Open it again in the child.")
        # SQLite itself would go on with the file that it has open, and what is written there would be lost.
        if self._file is not None and self._identity() != self._file:
            raise StoreError(
                f"The store {self.path} was removed, emptied or replaced while in use.",
                "Put the file back, or start the server anew to go on with what is there now.",
            )

    # --- reading --------------------------------------------------------------------------------------------
    def reader(self) -> Reader:
        """This thread's reader.

        Raises:
            StoreError: closed, or carried over a fork.
            sqlite3.Error: the file cannot be opened.
        """
        self._check_usable()
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Reader(self._connect())
            with self._readers_lock:
                self._readers.add(reader)
        return reader

    @contextmanager
    def reading(self, *, own: bool = False) -> Iterator[sqlite3.Connection]:
        """A consistent read: one transaction on this thread's connection, or on one of its `own`.

        Raises:
            StoreError: the store cannot answer.
        """
        try:
            if own:
                self._check_usable()
            reader = Reader(self._connect()) if own else self.reader()  # which checks, too
            try:
                reader.connection.execute("BEGIN")
                yield reader.connection
            finally:
                if own:
                    reader.close()
                elif reader.connection.in_transaction:
                    reader.connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    # --- writing --------------------------------------------------------------------------------------------
    def write(self, work: Work[T]) -> T:
        """Do `work` in a transaction, together with other threads' work; returns after the commit is durable.

        Raises:
            StoreError: nothing of it was stored.
            MatineeError: whatever `work` raised; nothing of it was stored.
        """
        self._check_usable()
        job = Job(work)
        self._queue.append(job)  # type: ignore[arg-type]
        with self._write_lock:
            if not job.done:
                self._run_queued()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _run_queued(self) -> None:
        """Holding the write lock: do what is queued, in as few transactions as the group size allows."""
        while self._queue:
            jobs = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]
            try:
                failure = self._transaction(jobs)
                if failure is not None and len(jobs) > 1 and not is_busy(failure):
                    # One caller's work may be what does not fit on the disk; the others must not pay for it.
                    for job in jobs:
                        self._transaction([job])
            finally:
                # Nobody may wait for ever or take silence for success, whatever interrupted this thread.
                for job in jobs:
                    if not job.done:
                        job.done = True
                        job.error = StoreError("The write was interrupted.", "Try again.")

    def _transaction(self, jobs: list[Job[object]]) -> Exception | None:
        """One transaction over some jobs; on a fault of the database, none is stored and the fault is returned."""
        for job in jobs:
            job.done, job.result, job.error = False, None, None
        try:
            self._check_usable()
            if self._writer is None:
                self._writer = self._connect()
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                connection.execute("SAVEPOINT job")
                try:
                    job.result = job.work(connection)
                except sqlite3.Error:
                    raise
                except Exception as error:  # the caller's fault, not the database's
                    job.error = error
                    connection.execute("ROLLBACK TO job")
                connection.execute("RELEASE job")
            self._after(connection)
            connection.execute("COMMIT")
            self._check_usable()  # else what was just written might be in a file that is gone
        except (sqlite3.Error, MatineeError) as error:
            self._drop_writer()
            for job in jobs:
                job.error = error if isinstance(error, MatineeError) else store_error(error, self.path)
                job.done = True
            return error
        except BaseException:
            self._drop_writer()
            raise
        for job in jobs:
            job.done = True
        return None

    def _drop_writer(self) -> None:
        # Closing rolls back; the next write gets a fresh connection, whatever state this one was in.
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, unless readers are in the way (then later)."""
        with self._write_lock, suppress(sqlite3.Error):
            if self._writer is not None:
                # Writers wait meanwhile, so a long read may not hold this up.
                self._writer.execute(f"PRAGMA busy_timeout = {CHECKPOINT_MS}")
                try:
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    self._writer.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")

    def close(self) -> None:
        """Close all connections; a second time does nothing."""
        self._closed = True
        if self._pid != os.getpid():
            return  # closing what the parent opened would drop the parent's locks
        with self._write_lock:
            self._drop_writer()
        with self._readers_lock:
            for reader in list(self._readers):
                reader.close()
