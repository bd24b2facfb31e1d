"""Consistent reads of whole indices of Elasticsearch, page by page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Document
from matinee.errors import StoreError

PAGE, MIN_PAGE, MAX_PAGE = 250, 10, 2000
"""Documents in one answer of a scan: at first, and at least and at most if answers take long or short."""
LONG, SHORT = 0.5, 0.1
"""Seconds of such an answer."""
KEEP_ALIVE = "5m"


def scan(
    cluster: Cluster, index: str, *, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()
) -> Iterator[Document]:
    """All documents of an index, with every write that returned before; the arguments are those of `Scan`."""
    cluster.refresh(index)
    with closing(Scan(cluster, index, query=query, fields=fields)) as documents:
        yield from documents


class Scan:
    """The documents of an index as of its last refresh. Close it.

    Args:
        query: which documents; None: all.
        fields: the only fields read; none: all.
    """

    def __init__(
        self, cluster: Cluster, index: str, *, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()
    ) -> None:
        self._cluster, self._query, self._fields = cluster, query or {"match_all": {}}, list(fields)
        answer = cluster.call(lambda client: client.open_point_in_time(index=index, keep_alive=KEEP_ALIVE))
        self._id: str = answer["id"]

    def __iter__(self) -> Iterator[Document]:
        after: list[Any] | None = None
        size = PAGE
        while True:
            start = time.monotonic()
            hits = self._page(after, size)
            took = time.monotonic() - start
            for hit in hits:
                yield Document(hit["_id"], hit["_version"], hit.get("_source", {}))
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            if took > LONG:
                size = max(MIN_PAGE, size // 2)
            elif took < SHORT:
                size = min(MAX_PAGE, 2 * size)

    def _page(self, after: list[Any] | None, size: int) -> list[dict[str, Any]]:
        answer = self._cluster.call(
            lambda client: client.search(
                pit={"id": self._id, "keep_alive": KEEP_ALIVE},
                query=self._query,
                source_includes=self._fields or None,
                version=True,
                sort=["_shard_doc"],
                size=size,
                search_after=after,
                track_total_hits=False,
                allow_partial_search_results=False,
            )
        )
        self._id = answer["pit_id"]
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    def close(self) -> None:
        """Let the server forget it; the server does so by itself later."""
        with suppress(StoreError):
            self._cluster.call(lambda client: client.close_point_in_time(id=self._id))
