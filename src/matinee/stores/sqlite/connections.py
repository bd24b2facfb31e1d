"""SQLite connections of one process: one reader per thread, and one writer.

Where the file cannot be written (a full or read-only disk, missing rights) it is opened for reading, and again for
writing as soon as that works. Processes write in turn, by a lock of our own: a commit never meets another process's
checkpoint, which SQLite before 3.51.3 may take for a reason to lose the commit
(https://sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from matinee._util.file_lock import FileLock, Turn
from matinee._util.private_files import private_folder, warn_if_open
from matinee.databases.lifetime import Lifetime
from matinee.errors import ReadOnlyError, StoreError
from matinee.stores.sqlite import migrations
from matinee.stores.sqlite.connection import Access, Connection, Reader, connect
from matinee.stores.sqlite.errors import RESTORE, is_unwritable, store_error
from matinee.stores.sqlite.opening import check_content, make_file, make_ready, shared_lock, ways_to_read
from matinee.stores.sqlite.watched_file import WatchedFile, beside, size_of

T = TypeVar("T")

CHECKPOINT_MS = 50
PROBE_SECONDS = 1.0
"""Seconds between two attempts to write where that has failed."""
TURN, NEXT = ".turn", ".next"
"""Files beside the store: the locks of whoever writes and of who is next."""

log = logging.getLogger("matinee.stores")
_numbers = count()


class Connections:
    """All connections of one process to one database file. Not usable after a fork: reopen in the child.

    Args:
        path: the file; created with its folder if missing.
        busy_timeout: seconds to wait for another process's write.

    Attributes:
        problem: why the last write failed, where reading goes on; None: it did not.

    Raises:
        StoreError: the file is not a database, is damaged, is of a newer version or another program, or can be
            neither written nor read.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self.lifetime = Lifetime()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._writer: Connection | None = None
        self._turn: Turn | None = None
        self._in_use: FileLock | None = None
        self._access = Access.WRITABLE
        self._generation = 0  # of readers; those of an earlier one are closed
        self._memory = ""
        self._anchor: Connection | None = None  # keeps a store in memory
        self.label = os.fspath(path)
        self._files = WatchedFile(path)
        self._state: tuple[object, ...] = ()  # of a frozen file
        self._leftover = False  # erased bytes may be in the write-ahead log
        self.problem: ReadOnlyError | None = None
        self._next_probe = 0.0
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise store_error(error, path) from error
        except BaseException:
            self.close()
            raise

    # --- opening --------------------------------------------------------------------------------------------
    def _open(self) -> None:
        try:
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            self._drop_writer()
            if not is_unwritable(error) or not self._open_to_read():
                raise
            self._refused(error)

    def _prepare(self) -> None:
        """Open for writing: make what is missing, migrate, check."""
        private_folder(self.path.parent)
        warn_if_open(self.path.parent)
        if self._in_use is None:
            self._in_use = shared_lock(self.path, self._busy_timeout)
        size = make_file(self.path, self._files.log)
        if self._turn is None:
            self._turn = Turn(beside(self.path, TURN), beside(self.path, NEXT))
        self._writer = self._connect(Access.WRITABLE)
        make_ready(self._writer, self.path, size, self._busy_timeout)
        self._files.keep()
        self._access = Access.WRITABLE
        self._generation += 1

    def _open_to_read(self) -> bool:
        """Open for reading alone, in the first way that works; False: none does."""
        with suppress(OSError, StoreError):  # of a read-only folder nobody can be told
            self._in_use = self._in_use or shared_lock(self.path, self._busy_timeout)
        for access in ways_to_read(self.path, self._files.log):
            state = self._files.frozen_state()
            try:
                self._try_reading(access, size_of(self.path))
            except (sqlite3.Error, OSError):
                continue
            self._access, self._state = access, state
            self._files.keep()
            self._generation += 1
            return True
        return False

    def _try_reading(self, access: Access, size: int) -> None:
        if access is Access.ABSENT:
            self._memory = f"matinee-{os.getpid()}-{next(_numbers)}"
            self._anchor = self._connect(access)
            migrations.migrate(self._anchor, self.path)
            return
        connection = self._connect(access)
        try:
            migrations.check(connection, self.path)
            connection.execute("SELECT seq FROM state").fetchone()
            check_content(connection, size)
        finally:
            connection.close()

    def _look_again(self) -> None:
        """Open anew a file that nobody could write, and somebody has."""
        with self._write_lock:
            if self._access in (Access.FROZEN, Access.ABSENT) and self._files.frozen_state() != self._state:
                with suppress(ReadOnlyError):
                    self._heal()
                    return
                if not self._open_to_read():
                    raise self.problem or StoreError(f"The store {self.path} cannot be read.", RESTORE)

    def _heal(self) -> None:
        """Open for writing what was opened for reading. Raises ReadOnlyError where that does not work yet."""
        was = self._access
        if was is Access.READ_ONLY:
            if self.problem is not None and self._files.is_read_only():
                raise self.problem
            # The connections of a process share what SQLite opened for reading alone.
            self._close_readers()
        try:
            self._prepare()
            if was is Access.READ_ONLY and self._writer is not None:
                with self._taking_turn(time.monotonic() + self._busy_timeout):
                    self._writer.execute("UPDATE state SET seq = seq")
        except (sqlite3.Error, OSError, StoreError) as error:
            self._drop_writer()
            self._access = was
            self._generation += 1
            if isinstance(error, StoreError):
                raise
            if not is_unwritable(error):
                raise store_error(error, self.path) from error
            raise self._refused(error) from error
        self._worked()

    def _refused(self, error: Exception) -> ReadOnlyError:
        """Note that the file cannot be written."""
        found = store_error(error, self.path, writing=True)
        assert isinstance(found, ReadOnlyError)
        return self._note(found)

    def _note(self, problem: ReadOnlyError) -> ReadOnlyError:
        if self.problem is None:
            log.error("%s Reading goes on.", problem)
        self.problem = problem
        self._next_probe = time.monotonic() + PROBE_SECONDS
        return problem

    def _worked(self) -> None:
        if self.problem is not None:
            log.warning("The store %s can be written again.", self.path)
            self.problem = None

    def _connect(self, access: Access | None = None) -> Connection:
        access = access or self._access
        name = self._memory if access is Access.ABSENT else self.label
        return connect(name, access, self._busy_timeout)

    def _check_usable(self) -> None:
        self.lifetime.check()
        if self._access in (Access.FROZEN, Access.ABSENT):
            if self._files.frozen_state() != self._state:
                self._look_again()
        else:
            self._files.check()

    # --- reading --------------------------------------------------------------------------------------------
    def reader(self) -> Reader:
        """This thread's reader.

        Raises:
            StoreError: closed, or opened before a fork.
            sqlite3.Error: the file cannot be opened.
        """
        self._check_usable()
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is not None and reader.generation != self._generation:
            reader.close()
            reader = None
        if reader is None:
            generation = self._generation  # before connecting: what changes meanwhile is noticed at the next call
            reader = self._local.reader = Reader(self._connect(), generation)
            with self._readers_lock:
                self._readers.add(reader)
        return reader

    @contextmanager
    def reading(self, *, own: bool = False) -> Iterator[Connection]:
        """A consistent read: one transaction on this thread's connection, or on a new one if `own` is true.

        Raises:
            StoreError: the store cannot answer.
        """
        try:
            if own:
                self._check_usable()
            reader = Reader(self._connect(), self._generation) if own else self.reader()  # which checks, too
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

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one state of the database.

        Raises:
            StoreError: the store cannot answer.
        """
        with self.reading() as connection:
            return work(connection)

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of one reading statement.

        Raises:
            StoreError: the store cannot answer.
        """
        with self.reading() as connection:
            return connection.execute(statement, values).fetchall()

    # --- writing --------------------------------------------------------------------------------------------
    def write(self, work: Callable[[Connection], T], since: float | None = None) -> T:
        """Run `work` in a transaction. Returns after a durable commit.

        Args:
            work: writes.
            since: when the caller began to wait (`time.monotonic`); None: now. Others are waited for until the busy
                timeout has passed since then.

        Raises:
            ReadOnlyError: nothing was stored, and nothing can be for now; reading goes on.
            StoreError: nothing was stored.
        """
        deadline = (time.monotonic() if since is None else since) + self._busy_timeout
        with self._write_lock:
            self._check_usable()  # not below, as closing the writer would write the log into the file
            if self._access is not Access.WRITABLE:
                self._heal()
            self._refuse_cut()
            with self._taking_turn(deadline):
                try:
                    result = self._transaction(work, deadline)
                    if self._leftover:
                        self._truncate_log(0)
                except BaseException as error:
                    self._drop_writer()
                    if isinstance(error, sqlite3.Error):
                        found = store_error(error, self.path, writing=True)
                        if isinstance(found, ReadOnlyError):
                            self._note(found)
                        raise found from error
                    raise
            self._worked()
        return result

    def _transaction(self, work: Callable[[Connection], T], deadline: float) -> T:
        self._writer = connection = self._writer or self._connect()
        left = max(0.0, deadline - time.monotonic())
        waited = left < 0.9 * self._busy_timeout
        if waited:
            connection.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
        if waited:
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
        self._check_usable()  # otherwise the commit might have gone to a deleted file
        self._refuse_cut()
        self._files.check_log()
        return result

    def _refuse_cut(self) -> None:
        if self._files.cut:
            raise self._note(ReadOnlyError(f"The store {self.path} is damaged: {self._files.cut}.", RESTORE))

    @contextmanager
    def _taking_turn(self, deadline: float) -> Iterator[None]:
        """While no other process writes or moves the log into the file."""
        assert self._turn is not None
        if not self._turn.acquire(deadline):
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise store_error(error, self.path) from error
        try:
            yield
        finally:
            self._turn.release()

    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read; None: writing works.

        Nothing is tried unless the last write failed or the disk is nearly full, and then once a second at most.
        """
        now = time.monotonic()
        if (self.problem is None and not self._is_doubtful()) or now < self._next_probe:
            return self.problem
        if self._write_lock.acquire(blocking=False):  # else another thread finds out right now
            try:
                self._next_probe = now + PROBE_SECONDS
                with suppress(StoreError):
                    self.write(lambda connection: connection.execute("UPDATE state SET seq = seq"), since=float("-inf"))
            finally:
                self._write_lock.release()
        return self.problem

    def _is_doubtful(self) -> bool:
        self._files.look()
        if self._files.cut or self._access is not Access.WRITABLE or self._files.is_read_only():
            return True
        return self._files.has_little_room()

    def _close_readers(self) -> None:
        self._generation += 1
        with self._readers_lock:
            for reader in list(self._readers):
                reader.close()

    def _drop_writer(self) -> None:
        # Closing rolls back. The next write opens a new connection.
        self._files.forget_log()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database and truncate it; after a later write where readers block it."""
        with self._write_lock, suppress(sqlite3.Error, StoreError):
            self._leftover = True
            with self._taking_turn(time.monotonic() + self._busy_timeout):
                # Writers wait in the meantime, so a long read must not delay this.
                self._truncate_log(CHECKPOINT_MS)

    def _truncate_log(self, milliseconds: int) -> None:
        if self._writer is not None and not self._files.cut:
            self._writer.execute(f"PRAGMA busy_timeout = {milliseconds}")
            try:
                busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._leftover = bool(busy)
                self._files.look()  # which has grown
            finally:
                self._writer.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")

    def close(self) -> None:
        """Close all connections. Idempotent."""
        if not self.lifetime.end():
            return  # closing the parent's connections would release the parent's locks
        with self._write_lock:
            self._drop_writer()
            if self._anchor is not None:
                self._anchor.close()
        self._close_readers()
        for lock in (self._turn, self._in_use):
            if lock is not None:
                lock.close()
