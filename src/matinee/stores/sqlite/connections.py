"""SQLite connections of one process: one reader per thread, and one writer."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from matinee._util.atomic_files import make_folder
from matinee.databases.lifetime import Lifetime
from matinee.errors import StoreError
from matinee.stores.sqlite import migrations
from matinee.stores.sqlite.errors import is_busy, store_error

T = TypeVar("T")

CHECKPOINT_MS = 50
CHECK_BELOW = 64 << 20
"""Files smaller than this (bytes) get a full integrity check when opened. It takes well under a second."""


class Connection(sqlite3.Connection):
    """A connection whose `execute` takes `%s` for a value, as PostgreSQL's does (`stores/sql.py`)."""

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        return super().execute(statement.replace("%s", "?"), values)


class Reader:
    """One thread's read connection and the newest sequence number it has seen. Closed when the thread ends."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.data_version = -1
        self.seq = -1

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.connection.close()

    __del__ = close


class Connections:
    """All connections of one process to one database file. Not usable after a fork: reopen in the child.

    Args:
        path: the file; created with its folder if missing.
        busy_timeout: seconds to wait for another process's write.

    Raises:
        StoreError: the file is not a database, is damaged, is of a newer version or another program, or is read-only.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self.lifetime = Lifetime()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._writer: Connection | None = None
        self.label = os.fspath(path)
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
        make_folder(self.path.parent)
        wal = self.path.with_name(self.path.name + "-wal")
        size = self.path.stat().st_size if self.path.exists() else 0
        # SQLite would treat an empty file as a new database and discard its log.
        if not size and self.path.exists() and wal.exists() and wal.stat().st_size:
            raise sqlite3.DatabaseError("the file is empty, but its write-ahead log is not")
        writer = self._writer = self._connect()
        migrations.check(writer, self.path)
        self._set_wal(writer)
        migrations.migrate(writer, self.path)
        if size < CHECK_BELOW:
            result = writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if result != "ok":
                raise sqlite3.DatabaseError(f"it is damaged ({result})")
        self._file = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path; None if it is missing or empty."""
        try:
            status = os.stat(self.label)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        return (status.st_dev, status.st_ino) if status.st_size else None

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

    def _connect(self) -> Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
            cached_statements=64,
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
        # SQLite itself would continue with the open file, and writes to it would be lost.
        if self._file is not None and self._identity() != self._file:
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
        if reader is None:
            reader = self._local.reader = Reader(self._connect())
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
    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction. Returns after a durable commit.

        Raises:
            StoreError: nothing was stored.
        """
        with self._write_lock:
            self._check_usable()  # not below, as closing the writer would write the log into the file
            try:
                self._writer = connection = self._writer or self._connect()
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
                self._check_usable()  # otherwise the commit might have gone to a deleted file
            except BaseException as error:
                self._drop_writer()
                if isinstance(error, sqlite3.Error):
                    raise store_error(error, self.path) from error
                raise
        return result

    def _drop_writer(self) -> None:
        # Closing rolls back. The next write opens a new connection.
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database and truncate it. Skipped while readers block it."""
        with self._write_lock, suppress(sqlite3.Error):
            if self._writer is not None:
                # Writers wait in the meantime, so a long read must not delay this.
                self._writer.execute(f"PRAGMA busy_timeout = {CHECKPOINT_MS}")
                try:
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    self._writer.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")

    def close(self) -> None:
        """Close all connections. Idempotent."""
        if not self.lifetime.end():
            return  # closing the parent's connections would release the parent's locks
        with self._write_lock:
            self._drop_writer()
        with self._readers_lock:
            for reader in list(self._readers):
                reader.close()
