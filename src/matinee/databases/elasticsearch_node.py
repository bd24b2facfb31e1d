"""A node of Elasticsearch whose answers are bounded in bytes and in total time; the client bounds each read only."""

from __future__ import annotations

import io
from contextvars import ContextVar
from http.client import HTTPResponse
from socket import socket
from time import monotonic
from typing import Any, NamedTuple

import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode

MAX_ANSWER = 512 << 20
"""Bytes of an answer, unpacked; many times the largest that is asked for."""
TIMES = 10
"""How often the time limit of a read an answer may take in all."""
_PART = 1 << 16
_END: ContextVar[float] = ContextVar("end", default=float("inf"))
"""When the answer of the present request must have ended, by `monotonic`."""


class _Answer(NamedTuple):
    status: int
    headers: Any
    data: bytes


class _Stream(io.RawIOBase):
    """What a connection sends, until the end of the time."""

    def __init__(self, connection: socket) -> None:
        self._connection, self._timeout = connection, connection.gettimeout()
        self._stream = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived."""
        left = _END.get() - monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._connection.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        """Close it, not the connection."""
        self._stream.close()
        super().close()


class _Connection:
    """A connection as an answer sees it, which only makes a file of it."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        """The stream."""
        del mode
        return io.BufferedReader(_Stream(self._connection))


class _Response(HTTPResponse):
    """An answer whose head must end in time, too: http.client bounds each read of it only."""

    def __init__(self, sock: Any, *options: Any, **more: Any) -> None:
        super().__init__(_Connection(sock), *options, **more)  # type: ignore[arg-type]


class _Pool:
    """A pool of connections that reads answers in parts."""

    def __init__(self, pool: Any, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds
        kind = pool.ConnectionCls
        pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": _Response})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def urlopen(self, method: str, target: str, **options: Any) -> _Answer:
        """See `urllib3.HTTPConnectionPool.urlopen`."""
        timeout = options.get("timeout")
        token = _END.set(monotonic() + TIMES * (timeout if isinstance(timeout, int | float) else self._seconds))
        try:
            return self._asked(method, target, options)
        finally:
            _END.reset(token)

    def _asked(self, method: str, target: str, options: dict[str, Any]) -> _Answer:
        response = self._pool.urlopen(method, target, preload_content=False, **options)
        body = bytearray()
        try:
            # By `read1`, which gives what has arrived; `stream` would wait for a whole part.
            while part := response.read1(_PART, decode_content=True):
                body += part
                if len(body) > MAX_ANSWER:
                    raise urllib3.exceptions.HTTPError(f"the answer is larger than {MAX_ANSWER >> 20} MiB")
                if monotonic() > _END.get():
                    raise urllib3.exceptions.ReadTimeoutError(self._pool, target, "the answer did not end in time")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return _Answer(response.status, response.headers, bytes(body))


class BoundedNode(Urllib3HttpNode):
    """A node whose answers are bounded."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool = _Pool(self.pool, config.request_timeout or 10.0)  # type: ignore[assignment]
