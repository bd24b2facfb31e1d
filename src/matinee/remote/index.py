"""A vector index behind HTTP: the vector service, with the interface of a local index."""

from __future__ import annotations

import base64
import threading
from typing import Any

import numpy as np

from matinee._util.packed_floats import packed
from matinee.errors import InvalidInputError, ServiceError
from matinee.indexes.base import Found, Items, Mask, Vectors, check_k, check_vectors
from matinee.remote.connection import Connection

TIMEOUT = 10.0
"""Seconds that one request may take."""
MAX_QUERIES = 256
"""In one request."""
MAX_FOUND = 1_000_000
"""Items that the service gives in one answer."""
MAX_VECTORS = 1000
"""Vectors that the service gives in one answer."""
_ALL = 1_000_000


class RemoteIndex:
    """A `VectorIndex` behind HTTP. Thread-safe.

    Args:
        url: of the vector service: `http://host:5000`.
        space: a space that it serves; "": its first.
        snapshot: id of the snapshot that item numbers are rows of; where the service serves another one, every call
            raises ConflictError, because the same numbers would mean other films.
        timeout: seconds that one request may take.
        key: API key that is sent; "": none.

    Raises:
        ServiceError: `url` is not a web address; from any method: the service does not answer or is overloaded.
    """

    def __init__(self, url: str, space: str = "", snapshot: str = "", timeout: float = TIMEOUT, key: str = "") -> None:
        self._connection = Connection(
            url,
            timeout,
            service="vector",
            start="matinee serve vectors",
            setting="MATINEE_VECTORS_URL",
            failure=ServiceError,
            key=key,
        )
        self._where = {key: value for key, value in (("space", space), ("snapshot", snapshot)) if value}
        self._lock = threading.Lock()
        self._cached: tuple[str, int] | None = None

    def __repr__(self) -> str:
        return f"<RemoteIndex: {self._connection.url}>"

    @property
    def kind(self) -> str:
        """See `VectorIndex`."""
        return self._facts()[0]

    @property
    def dim(self) -> int:
        """See `VectorIndex`."""
        return self._facts()[1]

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _facts(self) -> tuple[str, int]:
        with self._lock:
            if self._cached is None:
                answer = self._connection.ask("GET", "/spaces")
                name = self._where.get("space")
                try:
                    spaces = [one for one in answer["items"] if name in (None, one["space"])]
                    self._cached = str(spaces[0]["index"]), int(spaces[0]["dim"])
                except (KeyError, TypeError, ValueError, IndexError) as error:
                    raise self._connection.unexpected(f"it has no space {name!r}") from error
            return self._cached

    def __len__(self) -> int:
        return self._number(self._connection.ask("GET", "/items", params=self._page(1)), "total")

    def items(self) -> Items:
        """See `VectorIndex.items`."""
        answer = self._connection.ask("GET", "/items", params=self._page(_ALL))
        items: Items = self._array(answer.get("items"), np.int64)
        return items

    def _page(self, limit: int) -> dict[str, str | int]:
        return {**self._where, "limit": limit, "metadata": "false"}

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        queries = _checked(queries, self.dim)
        check_k(k)
        # The limit of one answer counts existing items.
        rows = MAX_QUERIES
        if k * rows > MAX_FOUND:
            rows = max(1, min(rows, MAX_FOUND // max(1, min(k, len(self)))))
        body: dict[str, Any] = {**self._where, "k": min(k, 1 << 53), "metadata": False}
        if allowed is not None:
            body["allowed"] = {"bits": _packed_mask(allowed)}
        answers = []
        for start in range(0, len(queries), rows):
            part = packed(queries[start : start + rows])
            answers.append(self._connection.ask("POST", "/search", {**body, "vectors": part}))
        width = max((min(k, self._number(answer, "total")) for answer in answers), default=0)
        items = np.full((len(queries), width), -1, dtype=np.int64)
        similarities = np.full((len(queries), width), np.nan, dtype=np.float32)
        row = 0
        try:
            for answer in answers:
                for numbers, cosines in zip(answer["items"], answer["similarities"], strict=True):
                    items[row, : len(numbers)] = numbers
                    similarities[row, : len(numbers)] = cosines
                    row += 1
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._connection.unexpected("the answer has no items") from error
        if row != len(queries):
            raise self._connection.unexpected("some queries have no answer")
        return Found(items, similarities)

    def add(self, items: Items, vectors: Vectors) -> None:
        """See `VectorIndex.add`; TooLargeError where they do not fit into one request, ConflictError where the service
        has several processes."""
        checked = _checked(vectors, self.dim)
        self._connection.ask("POST", "/items", {**self._where, "items": _numbers(items), "vectors": packed(checked)})

    def delete(self, items: Items) -> None:
        """See `VectorIndex.delete`; ConflictError where the service has several processes."""
        self._connection.ask("POST", "/delete", {**self._where, "items": _numbers(items)}, again=False)

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        numbers, dim = _numbers(items), self.dim
        parts = [np.zeros((0, dim), dtype=np.float32)]
        for start in range(0, len(numbers), MAX_VECTORS):
            some = numbers[start : start + MAX_VECTORS]
            answer = self._connection.ask("POST", "/vectors", {**self._where, "items": some})
            part = self._array(answer.get("vectors"), np.float32)
            if part.shape != (len(some), dim):
                raise self._connection.unexpected(f"the answer has vectors of shape {part.shape}")
            parts.append(part)
        return np.concatenate(parts)

    def _number(self, answer: dict[str, Any], name: str) -> int:
        number = answer.get(name)
        if not isinstance(number, int):
            raise self._connection.unexpected(f"the answer has no {name}")
        return number

    def _array(self, values: object, kind: type[np.generic]) -> Any:
        try:
            return np.asarray(values, dtype=kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._connection.unexpected("the answer has no numbers") from error


def _checked(vectors: Vectors, dim: int) -> Vectors:
    """Vectors in single precision, otherwise as they are: normalizing twice changes the values."""
    check_vectors(vectors, dim)
    return np.asarray(vectors, dtype=np.float32)


def _numbers(items: Items) -> list[int]:
    array = np.asarray(items)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise InvalidInputError("Item numbers must be whole numbers in one row.", "Send catalog rows.")
    numbers: list[int] = array.tolist()
    return numbers


def _packed_mask(allowed: Mask) -> str:
    mask = np.asarray(allowed)
    if mask.dtype != np.bool_ or mask.ndim != 1:
        raise InvalidInputError("A mask must be one row of booleans, by item number.")
    return base64.b64encode(np.packbits(mask, bitorder="little").tobytes()).decode()
