"""The index behind HTTP beyond the contract: long answers in several requests, answers that are none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest

from index_support import random_vectors
from matinee.errors import ConflictError, NotFoundError, ServiceError, TooLargeError
from matinee.indexes import VectorIndex
from matinee.remote import RemoteIndex, index
from vector_process import remote
from web_server import send, serve

SPACES = {"items": [{"space": "poster", "index": "exact", "dim": 3}]}


def answering(document: object) -> AbstractContextManager[str]:
    """A server that knows a space, and answers everything else with this document."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("content-length", 0)))
        send(json.dumps(SPACES if request.path == "/spaces" else document).encode())(request)

    return serve(answer)


@pytest.fixture
def vectors() -> np.ndarray[Any, Any]:
    return random_vectors(700, 6)


@pytest.fixture
def there(vectors: np.ndarray[Any, Any]) -> Iterator[VectorIndex]:
    with remote(np.arange(700), vectors) as opened:
        yield opened


def test_long_answers_come_in_several_requests(
    there: VectorIndex, vectors: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = there.search(vectors[:9], 700)
    monkeypatch.setattr(index, "MAX_FOUND", 1500)
    for k in (700, 10**9):
        found = there.search(vectors[:9], k)
        np.testing.assert_array_equal(found.items, whole.items)
        np.testing.assert_array_equal(found.similarities, whole.similarities)
    monkeypatch.setattr(index, "MAX_VECTORS", 100)
    np.testing.assert_allclose(there.vectors(np.arange(700)), vectors, atol=1e-6)
    monkeypatch.setattr(index, "MAX_QUERIES", 5000)
    with pytest.raises(TooLargeError, match="at most 1,000"):
        there.search(random_vectors(2000, 6), 1)


def test_another_snapshot_is_a_conflict(there: VectorIndex, vectors: np.ndarray[Any, Any]) -> None:
    assert isinstance(there, RemoteIndex)
    other = RemoteIndex(there._connection.url, there._where["space"], "20260101T120000Z-0123abcd")
    for call in (
        lambda: other.search(vectors[:1], 3),
        lambda: other.items(),
        lambda: other.vectors(np.array([1])),
        lambda: other.add(np.array([1]), vectors[:1]),
        lambda: other.delete(np.array([1])),
    ):
        with pytest.raises(ConflictError):
            call()
    with pytest.raises(ServiceError, match="no space 'smell'"):
        RemoteIndex(there._connection.url, "smell").search(vectors[:1], 3)
    other.close()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"total": "7"},
        {"total": 7},
        {"total": 7, "items": [[1]], "similarities": []},
        {"total": 7, "items": [["x"]], "similarities": [[1.0]]},
        {"total": 7, "items": [[1, 2, 3, 4, 5]], "similarities": [[1.0]]},
        {"total": 7, "items": [], "similarities": []},
        {"total": 7, "items": [[1]] * 9, "similarities": [[0.5]] * 9, "vectors": [["a"]]},
    ],
)
def test_answers_that_are_none(document: object) -> None:
    with answering(document) as url:
        asked = RemoteIndex(url)
        with pytest.raises(ServiceError, match="not the vector service"):
            asked.search(np.ones((2, 3), dtype=np.float32), 3)
        with pytest.raises(ServiceError, match="not the vector service"):
            asked.vectors(np.array([1, 2]))
        asked.close()


def test_threads_share_connections(there: VectorIndex, vectors: np.ndarray[Any, Any]) -> None:
    wanted = there.search(vectors, 3)
    found: dict[int, list[int]] = {}

    def ask(first: int) -> None:
        for row in range(first, 160, 16):
            found[row] = there.search(vectors[row : row + 1], 3).items[0].tolist()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [found[row] for row in range(160)] == wanted.items[:160].tolist()
    with pytest.raises(NotFoundError, match="900"):
        there.vectors(np.array([900]))
