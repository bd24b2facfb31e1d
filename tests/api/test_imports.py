"""Streamed imports: progress, errors by line, resuming, memory, slow clients, a kill and a stop in the middle."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psutil
import pytest

from api_support import Client
from matinee.api import create_app, line_reader
from matinee.api.admission import STREAMS
from matinee.client import Client as CoreClient
from matinee.client.imports import send_import
from matinee.settings import Settings
from server_support import Server, running
from socket_support import on_a_socket

NDJSON = {"content-type": "application/x-ndjson"}


def line(user: str, movie: str, rating: float | None = 4.0, **more: object) -> bytes:
    return json.dumps({"user_id": user, "movie_id": movie, "rating": rating} | more).encode() + b"\n"


def films(client: Client | httpx.Client) -> list[str]:
    return [film["movie_id"] for film in client.get("/v1/movies?limit=40").json()["items"]]


def films_of(url: str) -> list[str]:
    with httpx.Client(base_url=url) as client:
        return films(client)


def post(client: Client, body: bytes, **query: object) -> httpx.Response:
    return client.post("/v1/imports", params=query, content=body, headers=NDJSON)


def stars_of(client: Client, user: str) -> dict[str, float]:
    answer = client.get(f"/v1/users/{user}/ratings")
    return {one["movie_id"]: one["rating"] for one in answer.json()["items"]} if answer.status_code == 200 else {}


def test_ratings_removals_and_films_are_imported_in_their_order(client: Client) -> None:
    first, second, *_ = films(client)
    film = json.dumps({"movie_id": "new-1", "title": "A New One", "genres": ["Drama"]}).encode() + b"\n"
    body = line("imp", first) + b"\n" + line("imp", second, 3.0, timestamp=77) + film
    body += line("imp", "new-1", 5.0) + line("imp", first, None) + line("imp", second, 2.5)[:-1]  # no end of line
    answer = post(client, body, key="all")
    assert answer.status_code == 200, answer.text
    progress = answer.json()
    assert progress | {"digest": "", "updated": 0} == {
        "key": "all", "state": "done", "rows": 7, "bytes": len(body), "ratings": 4, "removals": 1, "movies": 1,
        "refused": 0, "errors": [], "digest": "", "updated": 0, "states": 0,
    }  # fmt: skip
    assert stars_of(client, "imp") == {"new-1": 5.0, second: 2.5}
    assert client.get("/v1/imports/all").json() == progress
    assert client.get("/v1/imports/other").status_code == 404


def test_states_are_imported_in_the_transaction_of_the_ratings(client: Client) -> None:
    first, second, *_ = films(client)

    def marked(movie: str, state: str, **more: object) -> bytes:
        return json.dumps({"user_id": "imp", "movie_id": movie, "state": state} | more).encode() + b"\n"

    body = line("imp", first) + marked(second, "seen", timestamp=9) + marked("nothing", "seen")
    body += marked(second, "watchlist") + marked(second, "watchlist", remove=True) + marked(first, "loved")
    progress = post(client, body, key="marks", on_error="skip").json()
    assert (progress["ratings"], progress["states"], progress["refused"]) == (1, 3, 2)
    assert [error["line"] for error in progress["errors"]] == [3, 6]
    held = client.get("/v1/users/imp/states").json()["states"]
    assert [(one["movie_id"], one["state"], one["timestamp"]) for one in held] == [(second, "seen", 9)]


def test_a_finished_import_sent_again_changes_nothing(client: Client) -> None:
    first, second, *_ = films(client)
    body = line("rep", first, 4.0) + line("rep", second, 3.0)
    done = post(client, body, key="rep").json()
    client.put(f"/v1/users/rep/ratings/{first}", json={"rating": 1.0})
    assert post(client, body, key="rep").json() == done
    assert client.post("/v1/imports", content=b"", params={"key": "rep", "from": 2}, headers=NDJSON).json() == done
    assert stars_of(client, "rep") == {first: 1.0, second: 3.0}
    other = line("rep", first, 5.0) + line("rep", second, 3.0)
    for wrong in (other, body + line("rep", first), body[: body.index(b"\n") + 1]):
        assert post(client, wrong, key="rep").status_code == 409
    assert post(client, line("rep", first), key="rep", **{"from": 3}).status_code == 409
    assert stars_of(client, "rep") == {first: 1.0, second: 3.0}


def test_it_stops_before_a_bad_line_and_goes_on_from_there(client: Client) -> None:
    first, second, third, *_ = films(client)
    answer = post(client, line("bad", first) + b'{"user_id": \n' + line("bad", third), key="bad")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "line 2"
    assert "from=1" in answer.json()["detail"]
    progress = client.get("/v1/imports/bad").json()
    assert (progress["state"], progress["rows"], progress["bytes"]) == ("stopped", 1, len(line("bad", first)))
    assert set(stars_of(client, "bad")) == {first}
    rest = line("bad", second) + line("bad", third)
    again = client.post("/v1/imports", params={"key": "bad", "from": 1}, content=rest, headers=NDJSON)
    assert again.json() | {"digest": "", "updated": 0} == progress | {
        "state": "done", "rows": 3, "ratings": 3, "errors": [], "digest": "", "updated": 0,
        "bytes": len(line("bad", first) + rest),
    }  # fmt: skip
    assert set(stars_of(client, "bad")) == {first, second, third}


def test_bad_lines_are_skipped_counted_and_named(client: Client) -> None:
    (first, *_) = films(client)
    bad = [
        b"[1]\n", b"{}\n", b"\xff\xfe\n", line("u\u200bv", first), line("u", "no such film"), line("u", first, 99.0),
        line("u", first, 4.0, extra=1), b'{"movie_id": "x", "title": ""}\n', b"x" * (line_reader.MAX_LINE + 2) + b"\n",
        b'{"user_id": "u", "movie_id": "1", "rating": NaN}\n', line("u", "missing", None),
    ]  # fmt: skip
    body = line("skip", first) + b"".join(bad) * 10 + line("skip", first, 1.0)
    progress = post(client, body, on_error="skip", key="skip").json()
    assert (progress["rows"], progress["refused"], progress["ratings"]) == (112, 110, 2)
    assert progress["bytes"] == len(body)
    assert [error["line"] for error in progress["errors"]] == list(range(2, 102))
    assert all(error["detail"] for error in progress["errors"])
    assert stars_of(client, "skip") == {first: 1.0}


def test_what_is_no_import_is_refused(client: Client) -> None:
    assert client.post("/v1/imports", content=b"", headers={"content-type": "text/plain"}).status_code == 415
    zipped = NDJSON | {"content-encoding": "gzip"}
    assert client.post("/v1/imports", content=b"x", headers=zipped).status_code == 415
    for query in ({"key": "../x"}, {"key": "a" * 300}, {"from": -1}, {"on_error": "go"}):
        assert post(client, b"", **query).status_code == 422
    other = NDJSON | {"idempotency-key": "a"}
    assert client.post("/v1/imports?key=b", content=b"", headers=other).status_code == 422
    assert post(client, b"").json()["state"] == "done"  # nothing is an import, too


@pytest.fixture
def served(data_dir: Path) -> Iterator[str]:
    with on_a_socket(create_app(Settings(data_dir=data_dir, max_body=50_000))) as url:
        yield url


def many(films: list[str], count: int, users: int = 50) -> Iterator[bytes]:
    for n in range(count):
        yield line(f"m{n % users}", films[n // users % len(films)], 0.5 + n % 10 / 2, timestamp=n)


def test_an_import_is_longer_than_other_bodies_may_be(served: str) -> None:
    with httpx.Client(base_url=served, timeout=90) as client:
        answer = client.post("/v1/imports", content=many(films(client), 5000), headers=NDJSON)
        assert (answer.status_code, answer.json()["ratings"]) == (200, 5000)


def test_a_refusal_in_the_middle_reaches_a_client_that_is_still_sending(served: str) -> None:
    def body() -> Iterator[bytes]:
        yield b"rubbish\n"
        for _ in range(2000):
            yield line("u", "1") * 20

    with httpx.Client(base_url=served, timeout=90) as client:
        answer = client.post("/v1/imports", content=body(), headers=NDJSON)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "line 1"


@pytest.mark.parametrize("drips", [False, True])
def test_a_client_that_is_too_slow_is_cut_off_and_goes_on(
    served: str, drips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_reader, "IDLE_SECONDS", 0.4)
    with httpx.Client(base_url=served, timeout=90) as client:
        first, *_ = films(client)
        key = f"slow-{drips}"
        whole, half = line("slow", first), b'{"user_id": "slow", '
        with raw(served, f"/v1/imports?key={key}") as connection:
            send_chunk(connection, whole + half)
            begin = time.monotonic()
            connection.settimeout(0.05 if drips else 90)
            received = b""
            while not received:
                try:
                    received = connection.recv(65536)
                except TimeoutError:
                    send_chunk(connection, b" ")
                assert time.monotonic() - begin < 90
        assert b" 408 " in received.partition(b"\r\n")[0]
        progress = client.get(f"/v1/imports/{key}").json()
        assert (progress["rows"], progress["bytes"], progress["state"]) == (1, len(whole), "open")


def raw(url: str, path: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=90)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"
        "transfer-encoding: chunked\r\n\r\n".encode()
    )
    return connection


def send_chunk(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))


def test_two_requests_do_not_go_on_with_one_import_at_a_time(served: str) -> None:
    with httpx.Client(base_url=served, timeout=90) as client:
        names = films(client)
        with raw(served, "/v1/imports?key=two") as connection:
            batch = b"".join(many(names, line_reader.BATCH_LINES))
            send_chunk(connection, batch)
            wait_for(client, "two", line_reader.BATCH_LINES)
            rest = b"".join(many(names, line_reader.BATCH_LINES + 5))
            assert client.post("/v1/imports?key=two", content=rest, headers=NDJSON).json()["state"] == "done"
            send_chunk(connection, batch)
            assert b" 409 " in connection.recv(65536).partition(b"\r\n")[0]


def test_imports_beyond_a_few_are_refused_and_hold_up_nobody(served: str) -> None:
    with httpx.Client(base_url=served, timeout=90) as client, ExitStack() as open_ones:
        first, *_ = films(client)
        for number in range(STREAMS):
            connection = open_ones.enter_context(raw(served, f"/v1/imports?key=open-{number}"))
            send_chunk(connection, b"".join(many(films(client), line_reader.BATCH_LINES)))
            wait_for(client, f"open-{number}", line_reader.BATCH_LINES)
        refused = client.post("/v1/imports", content=line("u", first), headers=NDJSON)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        # They wait for their clients, and hold no place among those that write.
        rating = [{"user_id": "other", "movie_id": first, "rating": 4}]
        assert client.post("/v1/ratings", json=rating).status_code == 200


def wait_for(client: httpx.Client, key: str, rows: int, seconds: float = 90) -> dict[str, object]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = client.get(f"/v1/imports/{key}")
        if answer.status_code == 200 and answer.json()["rows"] >= rows:
            return dict(answer.json())
        time.sleep(0.01)
    raise AssertionError(answer.text)


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@posix
def test_an_import_survives_kill_9_and_a_stop(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):  # who is killed tells of no coverage
        monkeypatch.delenv(name, raising=False)
    users, count = 500, 20_000
    with running(data_dir, tmp_path / "log") as server:
        names = films_of(server.url)
        lines = list(many(names, count, users))
        rows = 0
        for ending in ("kill", "stop"):
            with httpx.Client(base_url=server.url) as client, raw(server.url, f"/v1/imports?key=k&from={rows}") as sent:
                send_chunk(sent, b"".join(lines[rows : rows + 4500]))
                wait_for(client, "k", rows + 4000)
                if ending == "kill":
                    server.kill()
                else:
                    assert server.stop() == 0
                    answer = sent.recv(65536)
                    assert b" 503 " in answer.partition(b"\r\n")[0]
                    assert b"from=" in answer
            server.start()
            server.wait()
            progress = httpx.get(f"{server.url}/v1/imports/k").json()
            # What was whole and had arrived is stored when the server stops; after a kill, whole transactions.
            assert progress["rows"] == rows + (4000 if ending == "kill" else 4500)
            assert progress["bytes"] == sum(map(len, lines[: progress["rows"]]))
            assert stored(server) == progress["rows"]
            rows = progress["rows"]
        killed = False

        def source(rows: int, size: int) -> Iterator[bytes]:
            nonlocal killed
            assert size == sum(map(len, lines[:rows]))
            for start in range(rows, count, 500):
                yield b"".join(lines[start : start + 500])
                if start > count // 2 and not killed:
                    killed = True
                    server.kill()
                    server.start()

        with CoreClient(server.url) as sender:
            answer = send_import(sender, source, "k")
        assert killed
        assert (answer["state"], answer["rows"], answer["ratings"]) == ("done", count, count)
        assert stored(server) == count


@pytest.mark.extended
@posix
def test_a_stop_of_several_workers_ends_imports_where_they_go_on(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while imports are sent, more than workers; then kill -9 of the worker processes under one."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    keys, count = ("k0", "k1", "k2"), 3000
    with running(data_dir, tmp_path / "log", workers=2) as server:
        names = films_of(server.url)
        lines = {
            key: [one.replace(b'"user_id": "m', b'"user_id": "m' + key.encode()) for one in many(names, count, 500)]
            for key in keys
        }
        with ExitStack() as stack, httpx.Client(base_url=server.url) as client:
            senders = {key: stack.enter_context(raw(server.url, f"/v1/imports?key={key}")) for key in keys}
            for key, sent in senders.items():
                send_chunk(sent, b"".join(lines[key][:2500]))
            for key in keys:
                wait_for(client, key, 2000)
            assert server.stop() == 0  # within the grace: `stop` waits no longer
            for sent in senders.values():
                answer = sent.recv(65536)
                assert b" 503 " in answer.partition(b"\r\n")[0]
                assert b"from=2500" in answer
        server.start()
        server.wait()
        assert stored(server) == len(keys) * 2500
        ended = False

        def source(rows: int, size: int) -> Iterator[bytes]:
            nonlocal ended
            assert size == sum(map(len, lines["k0"][:rows]))
            yield b"".join(lines["k0"][rows : rows + 250])
            if not ended:
                ended = True
                for worker in psutil.Process(server.process.pid).children():
                    worker.kill()  # others are started in their place
            yield b"".join(lines["k0"][rows + 250 :])

        with CoreClient(server.url) as sender:
            for key in keys:
                given = source if key == "k0" else lambda rows, size, key=key: iter(lines[key][rows:])
                assert send_import(sender, given, key)["rows"] == count
        assert ended
        assert stored(server) == len(keys) * count


def stored(server: Server) -> int:
    """Ratings that the import has stored."""
    (path,) = (server.settings.data_dir / "stores").glob("*.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        ratings, changes = connection.execute(
            "SELECT (SELECT count(*) FROM ratings WHERE user_id LIKE 'm%'), count(*) FROM log WHERE user_id LIKE 'm%'"
        ).fetchone()
    assert ratings == changes  # none twice
    return int(ratings)


@pytest.mark.extended
@posix
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="memory of Linux")
def test_memory_is_flat_over_an_import_of_200_000_lines(data_dir: Path, tmp_path: Path) -> None:
    lines = int(os.environ.get("MATINEE_TEST_LINES", "200_000"))
    with running(data_dir, tmp_path / "log") as server:
        process = psutil.Process(server.process.pid)
        names = films_of(server.url)
        peak = first = 0

        def body() -> Iterator[bytes]:
            nonlocal peak, first
            part: list[bytes] = []
            for n, one in enumerate(many(names, lines)):
                part.append(one)
                if len(part) == 1000:
                    yield b"".join(part)
                    part = []
                    peak = max(peak, process.memory_info().rss)
                    if n + 1 == lines // 5:
                        first = peak
            yield b"".join(part)

        answer = httpx.post(f"{server.url}/v1/imports", content=body(), headers=NDJSON, timeout=120)
        assert (answer.status_code, answer.json()["ratings"]) == (200, lines)
        assert peak < 1.15 * first
