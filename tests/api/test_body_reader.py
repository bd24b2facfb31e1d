"""Bodies over a real socket: whole ones reach the routes; large, slow and too many ones are refused in words."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from matinee.api.body_reader import ReadBody
from raw_server import raw_server

LIMIT, SECONDS, MEMORY = 200_000, 0.5, 500_000


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    body = await Request(scope, receive).body()
    await JSONResponse({"length": len(body), "method": scope["method"]})(scope, receive, send)


@pytest.fixture(scope="module")
def reader() -> ReadBody:
    return ReadBody(count, LIMIT, MEMORY, SECONDS)


@pytest.fixture(scope="module")
def port(reader: ReadBody) -> Iterator[int]:
    with raw_server(reader) as port:
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=90)


def status_and_body(connection: socket.socket) -> tuple[int, dict[str, object]]:
    with connection, connection.makefile("rb") as file:
        status, length = int(file.readline().split()[1]), 0
        while (line := file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        answer: dict[str, object] = json.loads(file.read(length))
        return status, answer


def head(method: str = "POST", **headers: str) -> bytes:
    lines = [f"{method} /x HTTP/1.1", "host: localhost", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("size", [0, 1, 70_000, LIMIT])
def test_a_whole_body_arrives(port: int, reader: ReadBody, size: int) -> None:
    connection = connect(port)
    connection.sendall(head(content_length=str(size)) + b"x" * size)
    assert status_and_body(connection) == (200, {"length": size, "method": "POST"})
    assert reader.held == 0


def test_chunks_arrive(port: int) -> None:
    connection = connect(port)
    connection.sendall(head(transfer_encoding="chunked"))
    for part in (b"abc", b"defg"):
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")
    assert status_and_body(connection)[1]["length"] == 7


def test_a_get_is_passed_on(port: int) -> None:
    connection = connect(port)
    connection.sendall(head("GET"))
    assert status_and_body(connection)[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_too_much_gets_its_413(port: int, reader: ReadBody, chunked: bool) -> None:
    """It sends all 8 MB before it reads: closed at once, the connection would be reset under the answer."""
    size = 8 << 20
    connection = connect(port)
    if chunked:
        connection.sendall(head(transfer_encoding="chunked") + b"%x\r\n" % size)
        connection.sendall(b"x" * size + b"\r\n0\r\n\r\n")
    else:
        connection.sendall(head(content_length=str(size)))
        connection.sendall(b"x" * size)
    status, answer = status_and_body(connection)
    assert (status, answer["status"]) == (413, 413)
    assert reader.held == 0


def test_a_client_that_asks_first_is_refused_before_it_sends(port: int) -> None:
    connection = connect(port)
    connection.sendall(head(content_length=str(LIMIT + 1), expect="100-continue"))
    assert status_and_body(connection)[0] == 413


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_that_does_not_come_is_not_waited_for(port: int, reader: ReadBody, method: str) -> None:
    connection = connect(port)
    connection.sendall(head(method, content_length="10") + b"x")
    status, answer = status_and_body(connection)
    assert status == 408
    assert "did not arrive within 0.5 seconds" in str(answer["detail"])
    assert reader.held == 0


def test_memory_is_bounded(port: int, reader: ReadBody) -> None:
    """Two of the largest bodies fit; the third is refused, and fits when they have gone."""
    first = [connect(port) for _ in range(2)]
    for connection in first:
        connection.sendall(head(content_length=str(LIMIT)) + b"x")
    end = time.monotonic() + 90
    while reader.held < 2 * LIMIT:
        assert time.monotonic() < end
        time.sleep(0.005)
    third = connect(port)
    third.sendall(head(content_length=str(LIMIT)))
    status, answer = status_and_body(third)
    assert (status, "Try again" in str(answer["detail"])) == (503, True)
    for connection in first:
        connection.close()
    while reader.held:
        assert time.monotonic() < end
        time.sleep(0.005)
    last = connect(port)
    last.sendall(head(content_length=str(LIMIT)) + b"x" * LIMIT)
    assert status_and_body(last)[0] == 200


def test_a_compressed_body_is_refused_in_words(port: int) -> None:
    connection = connect(port)
    connection.sendall(head(content_length="3", content_encoding="gzip") + b"\x1f\x8b\x08")
    status, answer = status_and_body(connection)
    assert (status, "ompressed" in str(answer["detail"])) == (415, True)
    plain = connect(port)
    plain.sendall(head(content_length="3", content_encoding="identity") + b"abc")
    assert status_and_body(plain)[0] == 200
