"""Requests to an Elasticsearch cluster: failover between its nodes, retries, and errors as sentences.

The official client does the transport. Everything here works with the server's core alone, without the modules that
run scripts (`painless`) or copy indices (`reindex`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

import orjson

from matinee._util.extras import need
from matinee.errors import MatineeError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

T = TypeVar("T")

DEFAULT_PORT = 9200
PAUSE = 0.1
"""Seconds between attempts while the cluster is electing a master or moving a shard."""
CHUNK_BYTES = 8 << 20
CHUNK_ACTIONS = 5000
CHUNK_READS = 500
PAGE, MIN_PAGE, MAX_PAGE = 250, 10, 2000
"""Documents in one answer of a scan: at first, and at least and at most if answers take long or short."""
LONG, SHORT = 0.5, 0.1
"""Seconds of such an answer."""
KEEP_ALIVE = "5m"
TRANSIENT = (429, 502, 503, 504)
CONFLICT, UNAVAILABLE = 409, 503


class Document(NamedTuple):
    """A stored document; `version` is 0 and `source` empty where there is none.

    `seq_no` and `term` identify this very state of it, for a later `replace`.
    """

    id: str
    version: int
    source: dict[str, Any]
    seq_no: int = -1
    term: int = -1


@dataclass(frozen=True, slots=True)
class Action:
    """One write of a bulk request; without a source the document is deleted.

    A document whose version is higher already is left as it is. Without a version it is written in any case.
    """

    index: str
    id: str
    version: int | None
    source: Mapping[str, Any] | None


class Failure(NamedTuple):
    """What the server said about a request that failed."""

    status: int
    type: str
    reason: str


class _RefusedError(Exception):
    """An answer that holds failures of single documents; the first that lasts, else the first."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(failures)
        self.failure = next((failure for failure in failures if not _is_transient(failure)), failures[0])


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
        failure: the class of the errors raised.

    Raises:
        MatineeError: of the class `failure`, from every method: the cluster cannot answer.
        MissingExtraError: the official client is not installed.
    """

    def __init__(
        self, urls: str, *, user: str = "", password: str = "", timeout: float, failure: type[MatineeError]
    ) -> None:
        need("elasticsearch", "Elasticsearch", "elasticsearch")
        self._failure, self._timeout = failure, timeout
        try:
            nodes = nodes_of(urls)
        except ValueError as error:
            raise failure(
                f"MATINEE_STORE_URL does not name Elasticsearch: {error}.", "Set it to http://HOST:9200."
            ) from None
        self.name = "Elasticsearch at " + ", ".join(f"{n.scheme}://{n.hostname}:{n.port}" for n in nodes)
        if not user and nodes[0].username:
            user, password = nodes[0].username, nodes[0].password or ""
        hosts = [n._replace(netloc=n.netloc.rpartition("@")[2], query="", fragment="").geturl() for n in nodes]
        self._client = self._connect(hosts, (user, password) if user else None)

    def _connect(self, hosts: list[str], login: tuple[str, str] | None) -> Elasticsearch:
        from elasticsearch import Elasticsearch, OrjsonSerializer

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
            **trusted,
        )

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- requests -----------------------------------------------------------------------------------------------
    def call(self, request: Callable[[Elasticsearch], T], *, timeout: float = 0) -> T:
        """Make a request, again and again while the cluster says that it will answer soon.

        Args:
            request: gets the official client.
            timeout: seconds for this request, where it may take longer than others.
        """
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        client = self._client.options(request_timeout=timeout) if timeout else self._client
        seconds = timeout or self._timeout
        end = time.monotonic() + seconds
        while True:
            try:
                return request(client)
            except UnsupportedProductError as error:
                raise self._failure(f"{self.name} is another program.", "Check MATINEE_STORE_URL.") from error
            except (ApiError, _RefusedError) as error:
                failure = (
                    error.failure if isinstance(error, _RefusedError) else _failure_of(error.status_code, error.body)
                )
                if not _is_transient(failure) or time.monotonic() + PAUSE > end:
                    raise self.error(failure) from error
            except TransportError as error:
                raise self._unreachable(error, seconds) from error
            time.sleep(PAUSE)

    def _unreachable(self, error: Exception, seconds: float) -> MatineeError:
        from elastic_transport import TlsError
        from elasticsearch import ConnectionTimeout, SerializationError

        if isinstance(error, ConnectionTimeout):
            return self._failure(
                f"{self.name} does not answer within {seconds:g} s.",
                "Look at its load and its log, or raise MATINEE_STORE_TIMEOUT.",
            )
        if isinstance(error, SerializationError):
            return self._failure(f"{self.name} does not answer as Elasticsearch does.", "Check MATINEE_STORE_URL.")
        if isinstance(error, TlsError):
            return self._failure(
                f"{self.name} does not speak TLS, or its certificate is not trusted.",
                "Set SSL_CERT_FILE to the certificate of its authority, or correct MATINEE_STORE_URL.",
            )
        return self._failure(f"{self.name} cannot be reached.", "Start it, or check MATINEE_STORE_URL.")

    def error(self, failure: Failure) -> MatineeError:
        """The error for a request that the server refused."""
        status, kind, reason = failure
        if kind == "cluster_block_exception" and status != 503:
            return self._blocked(failure)
        if status == 401:
            return self._failure(
                f"{self.name} refuses the user name or the password.",
                "Set MATINEE_STORE_USER and MATINEE_STORE_PASSWORD.",
            )
        if status == 403:
            return self._failure(
                f"{self.name} does not allow this user what the store needs.", f"Give the rights: {reason}."
            )
        if status == 404:
            return self._failure(
                f"An index was removed while in use ({self.name}): {reason}.",
                "Restore it from a backup, or restart the service to begin with an empty one.",
            )
        if status in TRANSIENT:
            return self._failure(
                f"{self.name} is not ready: {reason}.", "It should recover by itself; look at GET /_cluster/health."
            )
        return self._failure(f"{self.name} refuses a request: {reason}.", "Check its version and the index's mapping.")

    def _blocked(self, failure: Failure) -> MatineeError:
        if "read-only-allow-delete" in failure.reason or "read_only_allow_delete" in failure.reason:
            return self._failure(
                f"{self.name} is read-only, because its disk is nearly full.",
                "Make room on its disk; it lifts the block by itself then.",
            )
        return self._failure(
            f"{self.name} is read-only: {failure.reason}.",
            'Lift the block: PUT /INDEX/_settings {"index.blocks.write": null, "index.blocks.read_only": null}.',
        )

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
            found += self.call(partial(_read, docs=docs))
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

    def create(self, index: str, id: str, source: Mapping[str, Any]) -> bool:
        """Write a document unless there is one."""
        answer = self.call(
            lambda client: client.options(ignore_status=CONFLICT).create(
                index=index, id=id, document=source, require_alias=True
            )
        )
        return "_seq_no" in answer

    def write(self, actions: Iterable[Action], *, alias: bool = True) -> None:
        """Make writes, in requests of limited size; those that a newer version forestalled are no error.

        Args:
            alias: the indices are named by aliases; an index that was removed is not made again by a write.
        """
        lines: list[bytes] = []
        size = 0
        for action in actions:
            more = _lines(action, alias)
            length = sum(map(len, more))
            if lines and (size + length > CHUNK_BYTES or len(lines) >= 2 * CHUNK_ACTIONS):
                self._bulk(lines)
                lines, size = [], 0
            lines += more
            size += length
        if lines:
            self._bulk(lines)

    def _bulk(self, lines: list[bytes]) -> None:
        def request(client: Elasticsearch) -> None:
            # The client passes bytes on as they are.
            answer = client.bulk(operations=cast("Any", lines))
            failures = [failure for item in answer["items"] if (failure := _failed(item))] if answer["errors"] else []
            if failures:
                raise _RefusedError(failures)

        self.call(request)

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
            failures = [_failure_of(answer["status"], answer) for answer in answers if "error" in answer]
            if failures:
                raise _RefusedError(failures)
            return answers

        return self.call(request)

    def open_scan(self, index: str, *, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Scan:
        """One consistent read of an index, as of its last refresh. Close it."""
        return Scan(self, index, query or {"match_all": {}}, list(fields))

    def scan(
        self, index: str, *, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()
    ) -> Iterator[Document]:
        """All documents of an index, with every write that returned before.

        Args:
            query: which documents; None: all.
            fields: the only fields read; none: all.
        """
        self.refresh(index)
        scan = self.open_scan(index, query=query, fields=fields)
        try:
            yield from scan
        finally:
            scan.close()


class Scan:
    """A point in time of an index, read page by page."""

    def __init__(self, cluster: Cluster, index: str, query: Mapping[str, Any], fields: list[str]) -> None:
        self._cluster, self._query, self._fields = cluster, query, fields
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
        with suppress(MatineeError):
            self._cluster.call(lambda client: client.close_point_in_time(id=self._id))


def _read(client: Elasticsearch, docs: list[dict[str, Any]]) -> list[Document]:
    answer = client.mget(docs=docs)["docs"]
    failures = [_failure_of(UNAVAILABLE, doc) for doc in answer if "error" in doc]
    if failures:
        missing = (failure for failure in failures if failure.type == "index_not_found_exception")
        raise _RefusedError([failure._replace(status=404) for failure in missing] or failures)
    return [
        Document(doc["_id"], doc["_version"], doc.get("_source", {}), doc["_seq_no"], doc["_primary_term"])
        if doc["found"]
        else Document(doc["_id"], 0, {})
        for doc in answer
    ]


def _lines(action: Action, alias: bool) -> list[bytes]:
    about: dict[str, Any] = {"_index": action.index, "_id": action.id}
    if action.version is not None:
        about |= {"version": action.version, "version_type": "external_gte"}
    if action.source is None:
        return [orjson.dumps({"delete": about})]
    if alias:
        about["require_alias"] = True
    return [orjson.dumps({"index": about}), orjson.dumps(action.source)]


def _failed(item: Mapping[str, Any]) -> Failure | None:
    """What went wrong with one write of a bulk request; None: nothing, or a newer version was there."""
    ((_, outcome),) = item.items()
    if "error" not in outcome or outcome["status"] == CONFLICT:
        return None
    return _failure_of(outcome["status"], outcome)


def _failure_of(status: int, body: object) -> Failure:
    cause = body.get("error") if isinstance(body, Mapping) else body
    if not isinstance(cause, Mapping):
        return Failure(status, "", str(cause or f"status {status}")[:300].rstrip("."))
    while isinstance(cause.get("caused_by"), Mapping) and cause.get("reason") in (None, "all shards failed"):
        cause = cause["caused_by"]
    return Failure(status, str(cause.get("type", "")), str(cause.get("reason", ""))[:300].rstrip(".;"))


def _is_transient(failure: Failure) -> bool:
    # A full disk is reported with 429 too, and lasts.
    return failure.status in TRANSIENT and not (failure.type == "cluster_block_exception" and failure.status == 429)
