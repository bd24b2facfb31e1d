"""Pictures made here, and a server that plays The Movie Database."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from matinee.data.catalog import Movie

V3_KEY = "0123456789abcdef0123456789abcdef"
V4_TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "abc" * 40 + ".sig-nature_1"


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 60), color: tuple[int, ...] = (200, 40, 30)) -> bytes:
    """An encoded picture of one color."""
    out = io.BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", size, color).save(out, kind)
    return out.getvalue()


def film(movie_id: str, **more: object) -> Movie:
    return Movie.model_validate({"movie_id": movie_id, "title": f"Film {movie_id}"} | more)


class FakeTmdb:
    """Films, finds and pictures by path; `plan` says what goes wrong before the true answer comes.

    Attributes:
        posters: TMDB id → path of its poster, None: there is none.
        found: IMDb id → path of its poster.
        plan: path → what to do at each request, in order: a status, "reset", "slow", "drip", or (status, headers).
        seen: (seconds, path, query, headers) of each request.
    """

    def __init__(self) -> None:
        self.posters: dict[str, str | None] = {}
        self.found: dict[str, str | None] = {}
        self.pictures: dict[str, bytes] = {}
        self.plan: defaultdict[str, list[object]] = defaultdict(list)
        self.seen: list[tuple[float, str, dict[str, list[str]], dict[str, str]]] = []
        self.keys = {V3_KEY, V4_TOKEN}
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    def add(self, tmdb_id: str, data: bytes | None) -> None:
        """A film with this picture, or without one."""
        path = None if data is None else f"/p{tmdb_id}.jpg"
        self.posters[tmdb_id] = path
        if path is not None and data is not None:
            self.pictures[path] = data

    def paths(self, start: str = "/3/movie") -> list[str]:
        """Paths asked for, in order."""
        return [path for _, path, _, _ in self.seen if path.startswith(start)]

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """What TMDB says: status, body, media type."""
        body: object = None
        if path == "/3/configuration":
            body = {"images": {"secure_base_url": f"{self.url}/t/p/", "poster_sizes": ["w92", "w342", "original"]}}
        elif path.startswith("/3/movie/") and path[9:] in self.posters:
            body = {"id": int(path[9:]), "poster_path": self.posters[path[9:]]}
        elif path.startswith("/3/find/"):
            poster = self.found.get(path[8:], "?")
            body = {"movie_results": [] if poster == "?" else [{"poster_path": poster}], "tv_results": []}
        elif path.startswith("/t/p/w342/") and path[9:] in self.pictures:
            return 200, self.pictures[path[9:]], "image/jpeg"
        if body is None:
            return 404, json.dumps({"status_code": 34, "status_message": "not found"}).encode(), "application/json"
        return 200, json.dumps(body).encode(), "application/json"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tmdb: FakeTmdb

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        tmdb, parts = self.tmdb, urlsplit(self.path)
        query = parse_qs(parts.query)
        with tmdb.lock:
            tmdb.seen.append((time.monotonic(), parts.path, query, {k.lower(): v for k, v in self.headers.items()}))
            waiting = tmdb.plan[parts.path] or tmdb.plan["*"]
            action = waiting.pop(0) if waiting else None
        given = (query.get("api_key") or [self.headers.get("authorization", "").removeprefix("Bearer ")])[0]
        status, body, kind = tmdb.answer(parts.path)
        headers: dict[str, str] = {}
        if action == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if action == "slow":
            tmdb.released.wait(20)
            self.close_connection = True
            return
        if isinstance(action, tuple):
            (status, headers), body = action, b"{}"
        elif isinstance(action, int):
            status, body = action, f"Sorry, {given}".encode()
        elif parts.path.startswith("/3/") and given not in tmdb.keys:
            status, body = 401, f"Invalid API key {given}".encode()
        self.send_response(status)
        for name, value in ({"content-type": kind, "content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if action == "drip":
            for byte in body:
                if tmdb.released.wait(0.05):
                    break
                self.wfile.write(bytes([byte]))
            self.close_connection = True
            return
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(OSError):  # the client has gone
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


@contextmanager
def playing_tmdb() -> Iterator[FakeTmdb]:
    """The server, on a port of its own."""
    tmdb = FakeTmdb()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"tmdb": tmdb}))
    server.daemon_threads = True
    tmdb.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield tmdb
    finally:
        tmdb.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
