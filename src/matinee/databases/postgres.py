"""Connections of one process to one PostgreSQL database: a few, shared by all threads, replaced when they break."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from matinee.databases.lifetime import Lifetime
from matinee.databases.postgres_errors import SilentServerError, store_error
from matinee.errors import StoreError

T = TypeVar("T")
Row = tuple[Any, ...]
Work = Callable[["Connection"], T]

MAX_CONNECTIONS = 16
"""Open connections of one process. A PostgreSQL server accepts 100 by default, over all processes."""
MAX_NAME = 63
"""Bytes of a name in PostgreSQL."""
GRACE = 1.0
"""Seconds that the server has beyond the time limit to report by itself that it was exceeded."""
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_PORTS = re.compile(r"(\d+(,\d+)*)?")
_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)

_SETUP = """
    SELECT set_config('search_path', %s, false), set_config('statement_timeout', %s, false),
        set_config('idle_in_transaction_session_timeout', %s, false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
            ELSE current_setting('synchronous_commit') END, false),
        current_setting('server_encoding')"""


class Connection(psycopg.Connection[Row]):
    """A connection that gives up when the server is silent for too long, as when its machine hangs."""

    limit: float | None = None
    """Seconds."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """See `psycopg.Connection.wait`."""
        return super().wait(gen if self.limit is None else _bounded(gen, self, self.limit), *args, **kwargs)


def _bounded(gen: PQGen[T], connection: Connection, limit: float) -> PQGen[T]:
    """Run a generator of psycopg, which resumes it several times a second, until the time is up."""
    deadline = time.monotonic() + limit
    try:
        state = next(gen)
        while True:
            ready = yield state
            # A server whose bytes keep coming gets as long again, and no more.
            if time.monotonic() > (deadline + limit if ready else deadline):
                connection.pgconn.finish()
                raise SilentServerError(limit)
            state = gen.send(ready)
    except StopIteration as stop:
        result: T = stop.value
        return result


class Pool:
    """Connections to one database. Thread-safe. Not usable after a fork: open it again in the child.

    Args:
        url: `postgresql://host/database`, with any parameter that libpq knows.
        user: user name; "": that of the URL, or the operating system's.
        password: "": that of the URL, or of libpq's password file.
        timeout: seconds that a statement may take. Connecting may take at least 2.
        search_path: schemas in which names are looked up, quoted.

    Attributes:
        label: the database for messages, without user and password.

    Raises:
        StoreError: the URL is not valid. No connection is made yet.
    """

    def __init__(self, url: str, user: str, password: str, timeout: float, search_path: str) -> None:
        self.lifetime = Lifetime()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        given = _parsed(url)
        given |= {key: value for key, value in (("user", user), ("password", password)) if value}
        given = {"application_name": "matinee", "connect_timeout": max(2, round(timeout)), **given}
        port = f":{given['port']}" if given.get("port") else ""
        self.label = f"postgresql://{given.get('host', '')}{port}/{given.get('dbname', '')}"
        self.search_path = search_path
        self._timeout = timeout
        self._conninfo = make_conninfo("", **given)

    # --- work ---------------------------------------------------------------------------------------------------
    def query(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of one reading statement, in one round trip.

        Raises:
            StoreError: the server cannot answer.
        """
        return self._run(None, lambda connection: connection.execute(statement, values).fetchall())

    def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that sees one state of the database. It may run twice.

        Raises:
            StoreError: the server cannot answer.
        """
        return self._run(READ, work)

    def write(self, work: Work[T], since: float | None = None) -> T:  # noqa: ARG002 - the server limits each wait
        """Run `work` in a transaction. Returns after a durable commit. `work` may run twice, but is committed once.

        Raises:
            StoreError: nothing was stored, or the message says that this is not known.
            MatineeError: raised by `work`; nothing was stored.
        """
        return self._run(WRITE, work)

    def stream(self, statement: str, values: Sequence[object] = (), *, batch: int) -> Iterator[list[Row]]:
        """Rows of one reading statement in batches, on a connection of its own: a slow reader holds nothing up.

        Raises:
            StoreError: the server cannot answer.
        """
        self.lifetime.check()
        try:
            with self._connect(idle_limit=0) as connection:
                connection.execute(READ)
                with connection.cursor(name="stream") as cursor:
                    cursor.execute(statement, values)
                    while rows := cursor.fetchmany(batch):
                        yield rows
        except psycopg.Error as error:
            raise store_error(error, self.label) from error

    def _run(self, begin: str | None, work: Work[T]) -> T:
        while True:
            connection, reused = self._take()
            committing = False
            try:
                if begin is None:
                    return work(connection)
                connection.execute(begin)
                result = work(connection)
                committing = begin is WRITE
                connection.execute("COMMIT")
                return result
            except psycopg.Error as error:
                if connection.closed and reused and not committing and not isinstance(error, SilentServerError):
                    self._drop_idle()  # the server was restarted since; nothing was stored, so that it can be repeated
                    continue
                raise store_error(error, self.label, committing=committing and connection.closed) from error
            finally:
                self._give_back(connection)

    # --- connections --------------------------------------------------------------------------------------------
    def _take(self) -> tuple[Connection, bool]:
        """A connection, and whether it has been used before."""
        self.lifetime.check()
        if not self._slots.acquire(timeout=self._timeout):
            raise StoreError(
                f"All {MAX_CONNECTIONS} connections to {self.label} have been in use for {self._timeout:g} s.",
                "Try again, or start more processes.",
            )
        try:
            with self._lock:
                if self._idle:
                    return self._idle.pop(), True
            return self._connect(), False
        except psycopg.Error as error:
            self._slots.release()
            raise store_error(error, self.label) from error
        except BaseException:
            self._slots.release()
            raise

    def _connect(self, idle_limit: float | None = None) -> Connection:
        connection = Connection.connect(self._conninfo, autocommit=True, client_encoding="utf8")
        try:
            connection.limit = self._timeout + GRACE
            # A writer that hangs within its transaction, say as its machine sleeps, must not keep others waiting.
            idle = max(10.0, 2 * self._timeout) if idle_limit is None else idle_limit
            milliseconds = [str(max(1, round(1000 * seconds))) if seconds else "0" for seconds in (self._timeout, idle)]
            row = connection.execute(_SETUP, (self.search_path, *milliseconds)).fetchone()
            if row is None or row[-1] != "UTF8":
                raise StoreError(
                    f"The database {self.label} does not store text as UTF-8.",
                    "Create it with `createdb --encoding UTF8 --template template0 DATABASE`.",
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, unless it is broken or within a transaction that failed."""
        try:
            if not connection.closed and connection.info.transaction_status in _OPEN:
                connection.rollback()
        except psycopg.Error:
            connection.close()
        with self._lock:
            sound = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
            if sound and not self.lifetime.over:
                self._idle.append(connection)
                connection = None  # type: ignore[assignment]
        if connection is not None:
            connection.close()
        self._slots.release()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close all connections, those in use when their call ends. Idempotent."""
        if self.lifetime.end():  # closing the parent's connections would end its sessions
            self._drop_idle()

    __del__ = close


def _parsed(url: str) -> dict[str, Any]:
    """Parameters in an address.

    Raises:
        StoreError: it is not valid. The message quotes nothing of it, because parts of a password that is not
            percent-encoded may be where host, port and database are expected.
    """
    given: dict[str, Any] = {}
    with suppress(psycopg.Error):
        given = dict(conninfo_to_dict(url))
    places = f"{given.get('host', '')}{given.get('dbname', '')}"
    if not given or "@" in places or not _PORTS.fullmatch(str(given.get("port", ""))):
        raise StoreError(
            "The PostgreSQL address is not valid.",
            "Set MATINEE_STORE_URL to postgresql://HOST:5432/DATABASE and MATINEE_STORE_PASSWORD to the password,"
            " or percent-encode it.",
        )
    return given


def fitting(name: str) -> str:
    """A name that is short enough: a long one, which PostgreSQL would cut, is marked with its hash."""
    if len(name.encode()) <= MAX_NAME:
        return name
    mark = "_" + hashlib.sha256(name.encode()).hexdigest()[:12]
    return name.encode()[: MAX_NAME - len(mark)].decode(errors="ignore") + mark


def quoted(name: str) -> str:
    """A name as it is written in SQL."""
    return sql.Identifier(name).as_string(None)


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Wait for what the present transaction does, without a time limit: building indexes takes as long as it takes."""
    limit, connection.limit = connection.limit, None
    try:
        connection.execute("SET LOCAL statement_timeout = 0")
        yield
    finally:
        connection.limit = limit


@contextmanager
def advisory_lock(connection: Connection, name: str) -> Iterator[None]:
    """Hold a lock of the whole database until the end of the present transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
    yield
