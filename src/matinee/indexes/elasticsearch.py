"""Search in an index of an Elasticsearch cluster, by kNN over `dense_vector` (extra `elasticsearch`).

The server finds candidates, and sends them with their vectors; their similarities are computed here, as those of every
index (`scoring`). So what is found is the same to the last bit, and one answer is one state of the index.
"""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Action
from matinee.databases.elasticsearch_scan import scan
from matinee.errors import InvalidInputError, StoreError
from matinee.indexes.base import (
    Found,
    Items,
    Mask,
    Vectors,
    check_added,
    check_k,
    check_known,
    check_mask,
    check_vectors,
    whole_numbers,
)
from matinee.indexes.exact import ExactIndex
from matinee.indexes.scoring import nearest_rows, nothing_found, ranked
from matinee.settings import Settings

Variant = Literal["exact", "hnsw"]
Query = dict[str, Any]

OPTIONS: dict[Variant, Query] = {"exact": {"type": "flat"}, "hnsw": {"type": "hnsw", "m": 16, "ef_construction": 100}}
"""Variant → how the server indexes vectors: not at all (it compares all), or by a graph in full precision."""
OWNER = "matinee"
MAX_DIM = 4096
"""Values of a vector that Elasticsearch takes."""
MAX_HITS = 10_000
"""Documents in one answer; more are found by reading all vectors."""
EFFORT, EFFORT_AT = 100, 100_000
"""Candidates that a search of a graph of so many vectors keeps at least; of more vectors, by the root of their number:
with 100 of a million it found .92 of the nearest under a filter of 10 %."""
MARGIN = 10
"""Additional candidates, because the server adds in another order, and last bits differ."""
SAME = 1e-6
"""Scores of the server (0..1) that may belong to equal similarities."""
MAX_TERMS = 50_000
"""Numbers in one condition; the server's default limit is 65,536."""
MAX_SEARCHES = 128
"""Queries in one request."""
CREATING, MERGING = 30.0, 600.0
"""Seconds that making an index, and merging its segments, may take."""
_FLOAT = np.dtype("<f4")


class ElasticsearchIndex:
    """A `VectorIndex` in an Elasticsearch index of its own. Thread-safe, and shared by all processes that open it.

    Changes are atomic for searches of every process as long as one process at a time makes them.

    Args:
        settings: `store_url`, `store_user`, `store_password`, `store_timeout` and `vector_index` count.
        name: follows `vector_index` in the index's name.
        items: int64, (n,), increasing, ≥ 0: the index is made anew, and takes the place of an earlier one at once;
            None: it is opened as it is.
        vectors: (n, dim); normalized to length 1.
        variant: `exact` compares all vectors that the filter allows, `hnsw` has a graph, which finds most of the
            nearest, faster where there are many. Of an index that is opened, it is what it was made with.
        dim: width that an index that is opened must have; None: any.

    Raises:
        StoreError: the cluster cannot answer, has no such index, or one of another width.
        InvalidInputError: items or vectors that cannot be indexed.
        MissingExtraError: the official client is not installed.
    """

    kind: Literal["elasticsearch"] = "elasticsearch"

    def __init__(
        self,
        settings: Settings,
        name: str,
        items: Items | None = None,
        vectors: Vectors | None = None,
        *,
        variant: Variant = "exact",
        dim: int | None = None,
    ) -> None:
        self.name = f"{settings.vector_index}-index-{name}"
        main = None if items is None or vectors is None else ExactIndex(items, vectors)
        if main is not None and main.dim > MAX_DIM:
            raise InvalidInputError(
                f"Elasticsearch cannot hold vectors of {main.dim} values.", f"Use at most {MAX_DIM}."
            )
        self._changes = threading.Lock()
        self._cluster = Cluster.of(settings)
        try:
            if main is not None:
                self._create(main, variant)
            self.dim, self.variant = self._facts(dim)
            self._size = len(self) if self.variant == "hnsw" else 0
        except BaseException:
            self._cluster.close()
            raise

    def _create(self, main: ExactIndex, variant: Variant) -> None:
        index = f"{self.name}-{uuid.uuid4().hex[:8]}"
        self._cluster.call(
            lambda client: client.indices.create(
                index=index,
                # What was written is seen by searches when the change is complete, and not before.
                settings={"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "-1"}},
                mappings={
                    "dynamic": False,
                    "_meta": {"owner": OWNER, "part": "index", "dim": main.dim, "variant": variant},
                    # The server's own copy of the exact vector, as text, takes two thirds of the files.
                    "_source": {"excludes": ["vector"]},
                    "properties": {
                        "item": {"type": "long"},
                        "vector": {
                            "type": "dense_vector",
                            "dims": main.dim,
                            "similarity": "dot_product",
                            "index_options": OPTIONS[variant],
                        },
                        "values": {"type": "object", "enabled": False},
                    },
                },
            ),
            timeout=CREATING,
        )
        try:
            self._cluster.write(_actions(index, main.items(), main.matrix), alias=False)
            self._cluster.refresh(index)
            # One segment is searched several times faster than many.
            self._cluster.call(
                lambda client: client.indices.forcemerge(index=index, max_num_segments=1), timeout=MERGING
            )
            held = self._held()
            self._cluster.call(
                lambda client: client.indices.update_aliases(
                    actions=[
                        {"add": {"index": index, "alias": self.name, "is_write_index": True}},
                        *({"remove_index": {"index": old}} for old in held),
                    ]
                ),
                timeout=CREATING,
            )
        except BaseException:
            self._cluster.call(lambda client: client.indices.delete(index=index, ignore_unavailable=True))
            raise

    def _held(self) -> dict[str, Any]:
        answer = self._cluster.call(
            lambda client: client.indices.get(index=self.name, ignore_unavailable=True, features=["mappings"])
        )
        held: dict[str, Any] = {
            index: about["mappings"] for index, about in answer.items() if index.startswith(f"{self.name}-")
        }
        if len(held) < len(answer.body):
            raise StoreError(f"{self.name!r} is an index of another program.", "Choose another name.")
        return held

    def _facts(self, dim: int | None) -> tuple[int, Variant]:
        held = self._held()
        if not held:
            raise StoreError(
                f"{self._cluster.name} has no index {self.name!r}.", "Make it: give its items and vectors when opening."
            )
        about = next(iter(held.values())).get("_meta", {})
        if about.get("owner") != OWNER or about.get("part") != "index":
            raise StoreError(f"{self.name!r} is an index of another program.", "Choose another name.")
        if dim is not None and about["dim"] != dim:
            raise StoreError(
                f"The index {self.name!r} holds vectors of {about['dim']} values, not {dim}.",
                "Make it again from the vectors of this snapshot.",
            )
        return int(about["dim"]), about["variant"]

    def __len__(self) -> int:
        return self._count({"match_all": {}})

    def _count(self, query: Query) -> int:
        return int(self._cluster.call(lambda client: client.count(index=self.name, query=query))["count"])

    def items(self) -> Items:
        """See `VectorIndex.items`."""
        found = [document.source["item"] for document in scan(self._cluster, self.name, fields=["item"])]
        return np.sort(np.array(found, dtype=np.int64))

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        items = whole_numbers(items)
        return self._decoded(source["values"] for source in self._known(items))

    def _known(self, items: Items, only: str = "") -> list[dict[str, Any]]:
        documents = self._cluster.read([(self.name, str(item)) for item in items.tolist()], only=only)
        check_known(items, np.array([document.version > 0 for document in documents], dtype=np.bool_))
        return [document.source for document in documents]

    def _decoded(self, values: Iterable[str]) -> Vectors:
        raw = b"".join(map(base64.b64decode, values))
        return np.frombuffer(raw, dtype=_FLOAT).reshape(-1, self.dim).astype(np.float32)

    # --- search -------------------------------------------------------------------------------------------------
    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        queries = check_vectors(queries, self.dim)
        check_k(k)
        condition = {"match_all": {}} if allowed is None else _condition(check_mask(allowed))
        if k + MARGIN > MAX_HITS:
            k = min(k, max(1, len(self)))
        fetch = k + MARGIN
        while fetch <= MAX_HITS:
            hits, total, n_allowed = self._nearest(queries, fetch, condition)
            if all(self._is_complete(found, k, fetch, n_allowed) for found in hits):
                return self._ranked(hits, queries, min(k, total))
            # Too many are equally near, or the graph does not reach all that are allowed.
            fetch = MAX_HITS if self.variant == "exact" and fetch < MAX_HITS else MAX_HITS + 1
        return self._compared(queries, k, condition)

    def _is_complete(self, hits: Sequence[_Hit], k: int, fetch: int, n_allowed: int) -> bool:
        """Whether hits, the nearest first, surely contain the k nearest, or as many of the graph's."""
        if len(hits) >= n_allowed:
            return True
        if self.variant == "hnsw":
            return len(hits) >= k
        return len(hits) == fetch and hits[-1].score < hits[k - 1].score - SAME

    def _nearest(self, queries: Vectors, fetch: int, condition: Query) -> tuple[list[list[_Hit]], int, int]:
        """What is near each query, the number of all documents, and of those that are allowed."""
        counted: list[Query] = [{"match_all": {}}, condition]
        counts: list[Query] = [{"query": query, "size": 0, "track_total_hits": True} for query in counted]
        effort = fetch
        if self.variant == "hnsw":
            least = round(EFFORT * max(1.0, self._size / EFFORT_AT) ** 0.5)
            effort = min(max(2 * fetch, least), MAX_HITS)
        hits: list[list[_Hit]] = []
        total = n_allowed = 0
        for start in range(0, max(1, len(queries)), MAX_SEARCHES):
            bodies: list[Query] = [
                {
                    "knn": {
                        "field": "vector",
                        "query_vector": query,
                        "k": fetch,
                        "num_candidates": effort,
                        "filter": condition,
                    },
                    "size": fetch,
                    "_source": ["item", "values"],
                    "track_total_hits": False,
                }
                for query in queries[start : start + MAX_SEARCHES].tolist()
            ]
            all_, some, *found = self._cluster.searches(self.name, [*counts, *bodies])
            total, n_allowed = all_["hits"]["total"]["value"], some["hits"]["total"]["value"]
            self._size = total  # other processes change it, too
            hits += [[_Hit.of(hit) for hit in answer["hits"]["hits"]] for answer in found]
        return hits, total, n_allowed

    def _compared(self, queries: Vectors, k: int, condition: Query) -> Found:
        """The nearest by reading all vectors that are allowed."""
        width = min(k, len(self))
        held = [document.source for document in scan(self._cluster, self.name, query=condition)]
        held.sort(key=lambda source: source["item"])
        found = nothing_found(len(queries), width)
        n = min(width, len(held))
        vectors = self._decoded(source["values"] for source in held)
        rows, found.similarities[:, :n] = nearest_rows(vectors, queries, n)
        found.items[:, :n] = np.array([source["item"] for source in held], dtype=np.int64)[rows]
        return found

    def _ranked(self, hits: Sequence[Sequence[_Hit]], queries: Vectors, width: int) -> Found:
        """The best candidates of each query, by similarities computed here."""
        known = dict(sorted((hit.item, hit.values) for found in hits for hit in found))
        candidates = np.full((len(queries), max(map(len, hits), default=0)), -1, dtype=np.int64)
        for row, found in zip(candidates, hits, strict=True):
            row[: len(found)] = [hit.item for hit in found]
        numbers = np.fromiter(known, dtype=np.int64, count=len(known))
        return ranked(numbers, self._decoded(known.values()), queries, candidates, width)

    # --- changes ------------------------------------------------------------------------------------------------
    def add(self, items: Items, vectors: Vectors) -> None:
        """See `VectorIndex.add`."""
        items, added = check_added(items, vectors, self.dim)
        if len(items):
            with self._changes:
                self._cluster.write(_actions(self.name, items, added))
                self._cluster.refresh(self.name)

    def delete(self, items: Items) -> None:
        """See `VectorIndex.delete`."""
        items = whole_numbers(items)
        if len(items):
            with self._changes:
                self._known(items, only="_none_")
                self._cluster.write(Action(self.name, str(item), None, None) for item in items.tolist())
                self._cluster.refresh(self.name)

    def drop(self) -> None:
        """Delete the index."""
        for index in self._held():
            self._cluster.call(
                lambda client, index=index: client.indices.delete(index=index, ignore_unavailable=True)  # type: ignore[misc]
            )

    def close(self) -> None:
        """Close the connections."""
        self._cluster.close()


@dataclass(frozen=True, slots=True)
class _Hit:
    """A candidate: item, the server's score, and its vector."""

    item: int
    score: float
    values: str

    @classmethod
    def of(cls, hit: Query) -> _Hit:
        source = hit["_source"]
        return cls(source["item"], hit["_score"], source["values"])


def _actions(index: str, items: Items, vectors: Vectors) -> Any:
    """Writes of items. The exact vector is stored beside the one that is searched, which the server may round."""
    for item, vector in zip(items.tolist(), vectors, strict=True):
        values = base64.b64encode(vector.astype(_FLOAT, copy=False).tobytes()).decode()
        yield Action(index, str(item), None, {"item": item, "vector": vector.tolist(), "values": values})


def _condition(mask: Mask) -> Query:
    """The condition on documents that a mask over item numbers means, by the shorter list of numbers."""
    allowed, denied = np.flatnonzero(mask), np.flatnonzero(~mask)
    if len(allowed) <= len(denied):
        return {"bool": {"should": _terms(allowed), "minimum_should_match": 1}}
    return {"bool": {"filter": [{"range": {"item": {"lt": len(mask)}}}], "must_not": _terms(denied)}}


def _terms(numbers: Items) -> list[Query]:
    parts = range(0, len(numbers), MAX_TERMS)
    conditions = [{"terms": {"item": numbers[start : start + MAX_TERMS].tolist()}} for start in parts]
    return conditions or [{"match_none": {}}]
