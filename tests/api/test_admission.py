"""Which queue a request takes, and what its queue does with it, over a real socket."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from matinee.api import create_app
from matinee.api.admission import Admission, queues_of
from matinee.api.cost import COSTS, MANY, ROUTES, cost_of, is_heavy_query
from matinee.api.fair_queue import FairQueue
from matinee.api.fast_path import plan, takes_long
from matinee.engine.types import Request as Options
from matinee.settings import Settings
from raw_server import raw_server


@pytest.mark.parametrize(
    ("request_line", "cost"),
    [
        ("GET /health", None),
        ("GET /ready", None),
        ("GET /metrics", None),
        ("GET /", None),
        ("GET /static-docs/x.js", None),
        ("GET /v1/movies/318", "light"),
        ("GET /v1/movies", "list"),
        ("GET /nowhere", "light"),
        ("GET /v1/users/1/recommendations?n=20&model=ease", "list"),
        ("GET /v1/users/1/recommendations?explain=false&diversity=0", "list"),
        ("GET /v1/users/1/recommendations?explain=true", "heavy"),
        ("GET /v1/users/1/recommendations?explain=1", "heavy"),
        ("GET /v1/users/1/recommendations?diversity=0.5", "heavy"),
        ("GET /v1/users/1/recommendations?filter=year%3E1990", "heavy"),
        ("GET /v1/users/1/recommendations?n=1000", "heavy"),
        ("GET /v1/users/1/recommendations?n=" + "9" * 5000, "heavy"),
        ("GET /v1/movies/1/similar", "list"),
        ("GET /v1/search?q=heat", "list"),
        ("GET /v1/users/1/explanations/2", "heavy"),
        ("GET /v1/users/1/neighbors", "heavy"),
        ("GET /recommendations/1", "list"),
        ("GET /classic/recommendations/1", "list"),
        ("POST /v1/recommendations", "heavy"),
        ("POST /v1/posters/search", "heavy"),
        ("POST /favourites", "heavy"),
        ("POST /classic/titles/recommendation/", "heavy"),
        ("GET /favourites", "light"),
        ("GET /recommendations?user_id=1&returnMetadata=true", "heavy"),
        ("POST /v1/imports", "stream"),
        ("GET /v1/imports/a", "light"),
        ("POST /v1/ratings", "import"),
        ("PUT /v1/movies/1/poster", "import"),
        ("PUT /v1/users/1/ratings/2", "write"),
        ("DELETE /v1/users/1", "write"),
        ("POST /v1/snapshots/rollback", "write"),
        ("POST /update_ratings", "write"),
    ],
)
def test_costs(request_line: str, cost: str | None) -> None:
    method, target = request_line.split()
    path, _, query = target.partition("?")
    assert cost_of(method, path, query.encode()) == cost
    if method == "GET":
        assert cost_of("HEAD", path, query.encode()) == cost


def test_every_route_has_a_cost_of_its_own() -> None:
    served = {
        f"{method.upper()} {path}" for path, methods in create_app().openapi()["paths"].items() for method in methods
    }
    assert served == set(ROUTES)
    for route, cost in ROUTES.items():
        method, path = route.split()
        told = {"free": None, "by query": "list"}.get(cost, cost)
        assert cost_of(method, re.sub(r"{\w+}", "a%b", path), b"") == told


@given(st.integers(1, 1000), st.booleans(), st.booleans(), st.sampled_from(["0", "0.0", "0.3", "1"]), st.booleans())
def test_the_queue_and_the_thread_are_chosen_by_one_rule(
    n: int, explain: bool, metadata: bool, diversity: str, filtered: bool
) -> None:
    filter_ = "year > 1990" if filtered else ""
    options = Options(n=n, explain=explain, diversity=float(diversity), filter=filter_)
    query = urlencode(
        {"n": n, "explain": str(explain).lower(), "metadata": str(metadata).lower(), "diversity": diversity}
        | {"filter": filter_}
    ).encode()
    assert is_heavy_query(query) == takes_long(options, metadata)


def test_a_heavy_plain_list_does_not_take_the_fast_path() -> None:
    path = "/v1/users/u1/recommendations"
    assert plan(path, b"n=%d" % MANY) is not None
    for n in (MANY + 1, 1000):
        assert plan(path, b"n=%d" % n) is None
        assert cost_of("GET", path, b"n=%d" % n) == "heavy"


def test_every_cost_has_a_queue() -> None:
    assert set(queues_of(Settings(workers=64))) == set(COSTS)
    assert all(queue.slots >= 1 for queue in queues_of(Settings(workers=64)).values())


class Held:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started += 1
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        await PlainTextResponse("done")(scope, receive, send)


def until(true: object) -> None:
    end = time.monotonic() + 90
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def queue() -> FairQueue:
    return FairQueue(1, 2, 20)


@pytest.fixture
def port(held: Held, queue: FairQueue) -> Iterator[int]:
    with raw_server(Admission(held, dict.fromkeys(COSTS, queue))) as port:
        try:
            yield port
        finally:
            held.go.set()


def ask(port: int, path: str = "/v1/users/1/recommendations?explain=true") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=90)
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    return connection


def answer(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as file:
        return file.read()


def test_one_is_worked_on_two_wait_and_the_rest_is_refused_at_once(port: int, held: Held, queue: FairQueue) -> None:
    first = ask(port)
    until(lambda: held.started == 1)
    waiting = []
    for n in (1, 2):
        waiting.append(ask(port))
        until(lambda n=n: queue.waiting == n)
    refused = answer(ask(port))
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in refused
    assert b"urn:matinee:problem:overloaded" in refused
    held.go.set()
    for connection in (first, *waiting):
        assert answer(connection).startswith(b"HTTP/1.1 200")
    assert (queue.busy, queue.waiting, queue.refused, held.started) == (0, 0, 1, 3)


def test_a_request_is_dropped_when_its_client_leaves(port: int, held: Held, queue: FairQueue) -> None:
    first = ask(port)
    until(lambda: held.started == 1)
    ask(port).close()
    leaving = ask(port)
    until(lambda: queue.waiting)
    leaving.close()
    until(lambda: queue.waiting == 0)
    held.go.set()
    assert b"done" in answer(first)
    until(lambda: queue.busy == 0)
    assert held.started == 1


def test_health_never_waits(port: int, held: Held, queue: FairQueue) -> None:
    first = ask(port)
    until(lambda: held.started == 1)
    health = ask(port, "/health")
    until(lambda: held.started == 2)
    assert (queue.busy, queue.waiting) == (1, 0)
    held.go.set()
    assert b"done" in answer(health)
    assert b"done" in answer(first)
