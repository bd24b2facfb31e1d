"""Requests to an Elasticsearch cluster: failover between its nodes, retries, and errors as sentences.

The official client does the transport. Everything here works with the server's core alone, without the modules that
run scripts (`painless`) or copy indices (`reindex`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from matinee._util.extras import need
from matinee.databases.elasticsearch_documents import (
    CONFLICT,
    Action,
    Document,
    bulk_requests,
    check_bulk,
    documents_of,
)
from matinee.databases.elasticsearch_errors import Failure, RefusedError, refused, unreachable
from matinee.databases.lifetime import Lifetime
from matinee.errors import StoreError
from matinee.settings import Settings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

T = TypeVar("T")

DEFAULT_PORT = 9200
PAUSE = 0.1
"""Seconds between attempts while the cluster is electing a master or moving a shard."""
CHUNK_READS = 500


def nodes_of(urls: str) -> list[SplitResult]:
    """The addresses of nodes, separated by commas; the scheme and the port 9200 may be left out.

    Raises:
        ValueError: one is no web address.

    Examples:
        >>> [node.netloc for node in nodes_of("http://a:9201,b")]
        ['a:9201', 'b:9200']
    """
    nodes: list[SplitResult] = []
    scheme = "http"
    for text in filter(None, (part.strip() for part in urls.split(","))):
        node = urlsplit(text if "://" in text else f"{scheme}://{text}")
        scheme = node.scheme
        if scheme not in ("http", "https") or not node.hostname:
            raise ValueError(f"{node.hostname or text!r} is not a valid node address")
        if node.port is None:
            node = node._replace(netloc=f"{node.netloc}:{DEFAULT_PORT}")
        nodes.append(node)
    if not nodes:
        raise ValueError("it is empty")
    return nodes


class Cluster:
    """A client of one cluster. Thread-safe; not usable after a fork.

    Args:
        urls: addresses of nodes, separated by commas.
        user: name for basic authentication; "": none, or the one in the address.
        password: never shown in messages.
        timeout: seconds that one request may take.

    Raises:
        StoreError: from every method: the cluster cannot answer.
        MissingExtraError: the official client is not installed.
    """

    def __init__(self, urls: str, *, user: str = "", password: str = "", timeout: float) -> None:
        need("elasticsearch", "Elasticsearch", "elasticsearch")
        self.lifetime, self._timeout = Lifetime(), timeout
        try:
            nodes = nodes_of(urls)
        except ValueError as error:
            raise StoreError(
                f"MATINEE_STORE_URL does not name Elasticsearch: {error}.", "Set it to http://HOST:9200."
            ) from None
        self.name = "Elasticsearch at " + ", ".join(f"{n.scheme}://{n.hostname}:{n.port}" for n in nodes)
        if not user and nodes[0].username:
            user, password = nodes[0].username, nodes[0].password or ""
        hosts = [n._replace(netloc=n.netloc.rpartition("@")[2], query="", fragment="").geturl() for n in nodes]
        self._client = self._connect(hosts, (user, password) if user else None)

    @classmethod
    def of(cls, settings: Settings) -> Cluster:
        """The cluster that the settings name."""
        return cls(
            settings.store_url,
            user=settings.store_user,
            password=settings.store_password,
            timeout=settings.store_timeout,
        )

    def _connect(self, hosts: list[str], login: tuple[str, str] | None) -> Elasticsearch:
        from elasticsearch import Elasticsearch, OrjsonSerializer

        from matinee.databases.elasticsearch_node import BoundedNode

        log = logging.getLogger("elastic_transport.transport")
        if log.level == logging.NOTSET:
            log.setLevel(logging.ERROR)  # it tells every request, and every repetition with a traceback
        # The client has authorities of its own, and would not see one of the system.
        authority = os.environ.get("SSL_CERT_FILE") if any(host.startswith("https:") for host in hosts) else None
        trusted: dict[str, Any] = {"ca_certs": authority} if authority else {}
        return Elasticsearch(
            hosts,
            basic_auth=login,
            request_timeout=self._timeout,
            # One more than there are other nodes, because a kept connection may be one that the server has closed.
            max_retries=len(hosts),
            retry_on_timeout=len(hosts) > 1,
            retry_on_status=(),
            connections_per_node=32,
            serializer=OrjsonSerializer(),
            node_class=BoundedNode,
            **trusted,
        )

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def close(self) -> None:
        """Close the connections."""
        if self.lifetime.end():
            self._client.close()

    # --- requests -----------------------------------------------------------------------------------------------
    def call(self, request: Callable[[Elasticsearch], T], *, timeout: float = 0) -> T:
        """Make a request, again and again while the cluster says that it will answer soon.

        Args:
            request: gets the official client.
            timeout: seconds for this request, where it may take longer than others.
        """
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        self.lifetime.check()
        client = self._client.options(request_timeout=timeout) if timeout else self._client
        seconds = timeout or self._timeout
        end = time.monotonic() + seconds
        while True:
            try:
                return request(client)
            except UnsupportedProductError as error:
                raise StoreError(f"{self.name} is another program.", "Check MATINEE_STORE_URL.") from error
            except (ApiError, RefusedError) as error:
                failure = Failure.of(error.status_code, error.body) if isinstance(error, ApiError) else error.failure
                if not failure.is_transient or time.monotonic() + PAUSE > end:
                    raise refused(self.name, failure) from error
            except TransportError as error:
                raise unreachable(self.name, error, seconds) from error
            time.sleep(PAUSE)

    # --- documents ----------------------------------------------------------------------------------------------
    def read(self, addresses: Sequence[tuple[str, str]], *, without: str = "", only: str = "") -> list[Document]:
        """The newest state of documents, (index, id) each, in their order.

        Args:
            without: a field left out.
            only: the only field read; `_none_`: no field, for the version alone.
        """
        source: Any = True
        if only:
            source = False if only == "_none_" else {"includes": [only]}
        elif without:
            source = {"excludes": [without]}
        found: list[Document] = []
        for start in range(0, len(addresses), CHUNK_READS):
            docs = [{"_index": i, "_id": d, "_source": source} for i, d in addresses[start : start + CHUNK_READS]]
            found += self.call(lambda client, docs=docs: documents_of(client.mget(docs=docs)["docs"]))  # type: ignore[misc]
        return found

    def replace(self, index: str, old: Document, source: Mapping[str, Any]) -> Document | None:
        """Replace a document if it is still in the state that was read; None if it is not."""

        def request(client: Elasticsearch) -> Any:
            return client.options(ignore_status=CONFLICT).index(
                index=index,
                id=old.id,
                document=source,
                if_seq_no=old.seq_no,
                if_primary_term=old.term,
                require_alias=True,
            )

        answer = self.call(request)
        if "_seq_no" not in answer:
            return None
        return Document(old.id, answer["_version"], dict(source), answer["_seq_no"], answer["_primary_term"])

    def create(self, index: str, id: str, source: Mapping[str, Any]) -> None:
        """Write a document unless there is one."""
        self.call(
            lambda client: client.options(ignore_status=CONFLICT).create(
                index=index, id=id, document=source, require_alias=True
            )
        )

    def write(self, actions: Iterable[Action], *, alias: bool = True) -> None:
        """Make writes, in requests of limited size; those that a newer version forestalled are no error.

        Args:
            alias: the indices are named by aliases; an index that was removed is not made again by a write.
        """
        for lines in bulk_requests(actions, alias=alias):
            # The client passes bytes on as they are.
            self.call(lambda client, lines=lines: check_bulk(client.bulk(operations=cast("Any", lines))))  # type: ignore[misc]

    # --- searches -----------------------------------------------------------------------------------------------
    def refresh(self, *indices: str) -> None:
        """Make all writes visible to searches."""
        self.call(lambda client: client.indices.refresh(index=",".join(indices)))

    def search(self, index: str, **body: Any) -> list[dict[str, Any]]:
        """The hits of a search."""
        answer = self.call(lambda client: client.search(index=index, allow_partial_search_results=False, **body))
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    def searches(self, index: str, bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers of several searches in one request."""
        lines: list[Mapping[str, Any]] = [
            line for body in bodies for line in ({"allow_partial_search_results": False}, body)
        ]

        def request(client: Elasticsearch) -> list[dict[str, Any]]:
            answers: list[dict[str, Any]] = client.msearch(index=index, searches=lines)["responses"]
            failures = [Failure.of(answer["status"], answer) for answer in answers if "error" in answer]
            if failures:
                raise RefusedError(failures)
            return answers

        return self.call(request)
