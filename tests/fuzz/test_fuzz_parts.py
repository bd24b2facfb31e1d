"""The fuzzer's own parts: what is sent is what its commands send again, and answers are read to their end."""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mutants import mutant
from wire import Request, Wire

from hostile_server import hostile

BASE = Request(
    "PUT /v1/movies/{movie_id}",
    b"PUT",
    b"/v1/movies/7?n=1",
    ((b"content-type", b"application/json"),),
    b'{"title": "It\'s", "tags": ["\xc3\xa9", "a\\\\b%"]}\x00\xff',
)
ADDRESS = ("127.0.0.1", 9)


def many() -> list[Request]:
    rng = random.Random(0)
    return [mutant(BASE, rng, [b"1", b"2"]) for _ in range(3000)]


def test_every_change_comes_up_and_the_same_seed_gives_the_same() -> None:
    found = many()
    assert found == many()
    assert len({one.method for one in found}) > 8
    assert any(one.target.startswith(b"/v1/movies/1?") for one in found)
    assert any(b"NaN" in one.body for one in found)
    assert 0 < sum(not one.whole for one in found) < 200
    for one in found:
        if one.whole and (b"transfer-encoding", b"chunked") in one.headers:
            assert one.body.endswith((b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n"))


@pytest.mark.parametrize("request_", [BASE, *random.Random(1).sample(many(), 12)], ids=str)
def test_a_command_sends_the_same_bytes(request_: Request) -> None:
    command = request_.curl(ADDRESS)
    if command.startswith("printf"):
        printed, _, rest = command.rpartition(" | ")
        expected = request_.body if rest.startswith("curl") else request_.raw(ADDRESS)
        done = subprocess.run(["bash", "-c", printed], capture_output=True, check=True)
        assert done.stdout == expected
        command = rest
    if command.startswith("curl"):
        asked = ["bash", "-c", f"printf '%s\\0' {command.removeprefix('curl')}"]
        words = subprocess.run(asked, capture_output=True, check=True).stdout.split(b"\0")
        assert f"http://{ADDRESS[0]}:{ADDRESS[1]}".encode() + request_.target in words
        for name, value in request_.headers:
            assert name + b": " + value in words
    assert "\n" not in shlex.quote(command)


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"2\r\nok\r\n0\r\n\r\n"),
        (b"HTTP/1.1 500 Oh\r\nconnection: close\r\n\r\nno", 500, b"no"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok", 0, b""),
        (b"", 0, b""),
    ],
)
def test_answers_are_read_to_their_end(sent: bytes, status: int, body: bytes) -> None:
    with hostile(lambda connection: connection.sendall(sent)) as url:
        wire = Wire(("127.0.0.1", int(url.rpartition(":")[2])))
        answer = wire.ask(BASE)
        assert (answer.status, answer.body) == (status, body)
        wire.close()


@pytest.mark.parametrize("more", [b"", b"retry-after: 1\r\n"])
def test_shed_load_is_told_from_a_failure(more: bytes) -> None:
    sent = b"HTTP/1.1 503 Service Unavailable\r\n" + more + b"content-length: 0\r\n\r\n"
    with hostile(lambda connection: connection.sendall(sent)) as url:
        wire = Wire(("127.0.0.1", int(url.rpartition(":")[2])))
        assert wire.ask(BASE).shed == bool(more)
        wire.close()
