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
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from matinee._util.file_lock import FileLock, Turn
from matinee._util.private_files import private_file, private_folder, warn_if_open
from matinee.databases.lifetime import Lifetime
from matinee.errors import ReadOnlyError, StoreError
from matinee.stores.sqlite import migrations
from matinee.stores.sqlite.errors import RESTORE, is_busy, is_unwritable, store_error
from matinee.stores.sqlite.replacement import IN_USE, alone, is_pending

T = TypeVar("T")

CHECKPOINT_MS = 50
CHECK_BELOW = 64 << 20
"""Files smaller than this (bytes) get a full integrity check when opened. It takes well under a second."""
PROBE_SECONDS = 1.0
"""Seconds between two attempts to write where that has failed."""
LITTLE = 1 << 20
"""Bytes left on the disk below which it is tried whether writing works."""
WAL, TURN, NEXT = "-wal", ".turn", ".next"
"""Files beside the store: SQLite's log, and the locks of whoever writes and of who is next."""

log = logging.getLogger("matinee.stores")
_numbers = count()


class Access(Enum):
    """How the file is opened.

    FROZEN: nobody can write it, so that SQLite needs no shared memory, for which there may be no room. ABSENT: there
    is none, and none can be made; an empty store in memory stands for it.
    """

    WRITABLE = ""
    READ_ONLY = "mode=ro"
    FROZEN = "mode=ro&immutable=1"
    ABSENT = "mode=memory&cache=shared"


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether a version of SQLite has the WAL-reset bug: from 3.7 to 3.51.2, but for two branches that were mended."""
    mended = {(3, 44): (3, 44, 6), (3, 50): (3, 50, 7)}.get((version[0], version[1]), (3, 51, 3))
    return (3, 7) <= version < mended


def beside(path: Path, suffix: str) -> Path:
    """A file that belongs to a store."""
    return path.with_name(path.name + suffix)


class Connection(sqlite3.Connection):
    """A connection whose `execute` takes `%s` for a value, as PostgreSQL's does (`stores/sql.py`)."""

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        return super().execute(statement.replace("%s", "?"), values)


class Reader:
    """One thread's read connection and the newest sequence number it has seen. Closed when the thread ends."""

    def __init__(self, connection: Connection, generation: int) -> None:
        self.connection, self.generation = connection, generation
        self._cursor = sqlite3.Cursor(connection)
        self.data_version = -1
        self.seq = -1

    def version(self) -> int:
        """A number that changes with every commit of another connection."""
        # With a cursor that is there already it takes half the time of `Connection.execute`.
        return int(self._cursor.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.connection.close()

    __del__ = close


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
        self._wal = os.fspath(beside(path, WAL))
        self._file: tuple[int, int] | None = None
        self._largest = 0
        self._cut = ""
        self._log_file: int | None = None  # inode of the write-ahead log, for the present writer
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
        self._share()
        size = self._size_of(self.path)
        # SQLite would treat an empty file as a new database and discard its log.
        if not size and self.path.exists() and self._size_of(Path(self._wal)):
            raise sqlite3.DatabaseError("the file is empty, but its write-ahead log is not")
        private_file(self.path)
        if self._turn is None:
            self._turn = Turn(beside(self.path, TURN), beside(self.path, NEXT))
        writer = self._writer = self._connect(Access.WRITABLE)
        migrations.check(writer, self.path)
        self._set_wal(writer)
        migrations.migrate(writer, self.path)
        self._check_content(writer, size)
        self._file = self._identity()
        self._access = Access.WRITABLE
        self._generation += 1
        _tell_version()

    def _share(self) -> None:
        """Share the lock that a restore needs for itself."""
        if self._in_use is not None:
            return
        while True:
            if is_pending(self.path):
                with alone(self.path):  # which finishes the restore that was killed
                    pass
            lock = FileLock(beside(self.path, IN_USE))
            if not lock.acquire(time.monotonic() + self._busy_timeout, shared=True):
                lock.close()
                raise StoreError(f"The store {self.path} is being restored.", "Wait until `matinee restore` has ended.")
            if not is_pending(self.path):
                break
            lock.close()
        self._in_use = lock

    @staticmethod
    def _size_of(path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    @staticmethod
    def _check_content(connection: Connection, size: int) -> None:
        if size < CHECK_BELOW:
            result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if result != "ok":
                raise sqlite3.DatabaseError(f"it is damaged ({result})")

    def _open_to_read(self) -> bool:
        """Open for reading alone, in the first way that works; False: none does."""
        with suppress(OSError, StoreError):  # of a read-only folder nobody can be told
            self._share()
        size, logged = self._size_of(self.path), self._size_of(Path(self._wal))
        ways = [Access.READ_ONLY] if size else []
        if size and not logged:
            ways.append(Access.FROZEN)
        if not size and not logged and not self.path.is_dir():
            ways.append(Access.ABSENT)
        for access in ways:
            state = self._frozen_state()
            try:
                self._try_reading(access, size)
            except (sqlite3.Error, OSError):
                continue
            self._access, self._state = access, state
            self._file = self._identity()
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
            self._check_content(connection, size)
        finally:
            connection.close()

    def _frozen_state(self) -> tuple[object, ...]:
        """What changes when another process can write the file again."""
        found: list[object] = []
        for name in (self.label, self._wal):
            try:
                status = os.stat(name)  # noqa: PTH116
                found.append((status.st_ino, status.st_size, status.st_mtime_ns) if status.st_size else None)
            except OSError:
                found.append(None)
        return tuple(found)

    def _look_again(self) -> None:
        """Open anew a file that nobody could write, and somebody has."""
        with self._write_lock:
            if self._access in (Access.FROZEN, Access.ABSENT) and self._frozen_state() != self._state:
                with suppress(ReadOnlyError):
                    self._heal()
                    return
                if not self._open_to_read():
                    raise self.problem or StoreError(f"The store {self.path} cannot be read.", RESTORE)

    def _heal(self) -> None:
        """Open for writing what was opened for reading. Raises ReadOnlyError where that does not work yet."""
        was = self._access
        if was is Access.READ_ONLY:
            if self.problem is not None and self._is_read_only():
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

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path; None if it is missing or empty. Notes if it has shrunk."""
        try:
            status = os.stat(self.label)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        size = status.st_size
        if size < self._largest and size:
            self._cut = f"it was cut from {self._largest:,} to {size:,} bytes while in use"
        elif size > self._largest:
            self._largest = size
        return (status.st_dev, status.st_ino) if size else None

    def _set_wal(self, connection: sqlite3.Connection) -> None:
        # The busy handler does not cover changes of the journal mode, so poll while another process creates the file.
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

    def _connect(self, access: Access | None = None) -> Connection:
        access = access or self._access
        name = self.label
        if access is not Access.WRITABLE:
            name = f"file:{self._memory if access is Access.ABSENT else quote(self.label)}?{access.value}"
        connection = sqlite3.connect(
            name,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
            cached_statements=64,
            uri=access is not Access.WRITABLE,
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_usable(self) -> None:
        self.lifetime.check()
        if self._access in (Access.FROZEN, Access.ABSENT):
            if self._frozen_state() != self._state:
                self._look_again()
        # SQLite itself would continue with the open file, and writes to it would be lost.
        elif self._file is not None and self._identity() != self._file:
            raise StoreError(
                f"The store {self.path} was removed, emptied or replaced while in use.",
                "Restore the file, or restart the server to continue with the file that is there now.",
            )

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
        self._check_log_file()
        return result

    def _check_log_file(self) -> None:
        """Raise StoreError where SQLite writes to a log that others no longer see."""
        try:
            found = os.stat(self._wal).st_ino  # noqa: PTH116
        except OSError:
            found = 0
        if self._log_file is None:
            self._log_file = found
        if not found or found != self._log_file:
            raise StoreError(
                f"The -wal file of the store {self.path} was removed or replaced while in use.",
                f"It may not be known what is stored. {RESTORE}",
            )

    def _refuse_cut(self) -> None:
        if self._cut:
            raise self._note(ReadOnlyError(f"The store {self.path} is damaged: {self._cut}.", RESTORE))

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
        self._identity()
        if self._cut or self._access is not Access.WRITABLE or self._is_read_only():
            return True
        if os.name == "nt":  # pragma: no cover
            return False
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize < LITTLE

    def _is_read_only(self) -> bool:
        """Whether the rights or the mounted disk say so."""
        folder = self.path.parent
        if not os.access(self.label, os.W_OK) or not os.access(folder, os.W_OK):
            return True
        return os.name != "nt" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)

    def _close_readers(self) -> None:
        self._generation += 1
        with self._readers_lock:
            for reader in list(self._readers):
                reader.close()

    def _drop_writer(self) -> None:
        # Closing rolls back. The next write opens a new connection.
        self._log_file = None
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
        if self._writer is not None and not self._cut:
            self._writer.execute(f"PRAGMA busy_timeout = {milliseconds}")
            try:
                busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._leftover = bool(busy)
                self._identity()  # which has grown
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


_told_version = False


def _tell_version() -> None:
    """Log once that the SQLite of this Python has the WAL-reset bug, and what follows of it."""
    global _told_version
    if not _told_version and has_wal_reset_bug(sqlite3.sqlite_version_info):
        _told_version = True
        log.info(
            "SQLite %s has the WAL-reset bug (mended in 3.51.3). Matinee's processes write in turn, so that it cannot"
            " happen between them; let no other program write to the store while they run.",
            sqlite3.sqlite_version,
        )
