"""One connection to the file: how it is opened, and what a thread that reads remembers of it."""

from __future__ import annotations

import os
import sqlite3
from enum import Enum
from typing import Any
from urllib.parse import quote


class Access(Enum):
    """How the file is opened.

    FROZEN: nobody can write it, so that SQLite needs no shared memory, for which there may be no room. ABSENT: there
    is none, and none can be made; an empty store in memory stands for it.
    """

    WRITABLE = ""
    READ_ONLY = "mode=ro"
    FROZEN = "mode=ro&immutable=1"
    ABSENT = "mode=memory&cache=shared"


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


def connect(name: str, access: Access, busy_timeout: float) -> Connection:
    """A new connection.

    Args:
        name: the file's, or that of a store in memory.
        busy_timeout: seconds to wait for another process's write.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        name if access is Access.WRITABLE else f"file:{quote(os.fspath(name))}?{access.value}",
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
        cached_statements=64,
        uri=access is not Access.WRITABLE,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA temp_store = MEMORY")  # what is staged for a write goes nowhere else
    except BaseException:
        connection.close()
        raise
    return connection
