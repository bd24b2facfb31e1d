"""A node of Elasticsearch whose answers are bounded in bytes and in total time; the client bounds each read only."""

from __future__ import annotations

from time import monotonic
from typing import Any, NamedTuple

import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode

MAX_ANSWER = 512 << 20
"""Bytes of an answer, unpacked; many times the largest that is asked for."""
TIMES = 10
"""How often the time limit of a read an answer may take in all."""
_PART = 1 << 16


class _Answer(NamedTuple):
    status: int
    headers: Any
    data: bytes


class _Pool:
    """A pool of connections that reads answers in parts."""

    def __init__(self, pool: Any, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def urlopen(self, method: str, target: str, **options: Any) -> _Answer:
        """See `urllib3.HTTPConnectionPool.urlopen`."""
        timeout = options.get("timeout")
        end = monotonic() + TIMES * (timeout if isinstance(timeout, int | float) else self._seconds)
        response = self._pool.urlopen(method, target, preload_content=False, **options)
        body = bytearray()
        try:
            # By `read1`, which gives what has arrived; `stream` would wait for a whole part.
            while part := response.read1(_PART, decode_content=True):
                body += part
                if len(body) > MAX_ANSWER:
                    raise urllib3.exceptions.HTTPError(f"the answer is larger than {MAX_ANSWER >> 20} MiB")
                if monotonic() > end:
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
