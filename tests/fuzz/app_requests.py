"""Requests made up for the web app and the studio, which have no OpenAPI document of their own."""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import quote
from urllib.request import Request as Asking
from urllib.request import urlopen

from mutants import BODIES, NUMBERS, TEXTS, TYPES
from wire import Answer, Request

from tiny_models import picture

JSON_TYPE = (b"content-type", b"application/json")
FORM_TYPE = (b"content-type", b"application/x-www-form-urlencoded")
MULTIPART_TYPE = (b"content-type", b"multipart/form-data; boundary=x")
OWN = {
    "GET /app/start": ["user"],
    "GET /app/wall": ["user", "page"],
    "GET /app/row": ["user", "kind", "value", "filter", "n"],
    "POST /app/act": ["user"],
    "GET /app/search": ["q", "by", "filter", "n", "sort", "plain"],
    "POST /app/picture": ["n"],
    "POST /app/import": ["user", "name", "preview", "scale", "layout"],
    "POST /app/together": [],
    "POST /app/claim": [],
}
"""The web app's own routes and the parameters of their queries."""
FIELDS = ["user", "movie_id", "action", "guest", "way", "n"]
ACTIONS = ["rating", "rating", "seen", "watchlist", "not_interested", "undo"]
KINDS = ["for-you", "new", "because", "genre", "decade", "language", "short", "watchlist"]
WAITING = 12
"""Calls whose events are asked for later, when most of them have ended."""
_EVENT = re.compile(rb'"event_id":\s*"([^"]+)"')
_WORDS = ["1", "2", "42", "Toy Story (1995)", "Heat", "a film about dogs", "content", "taste", "ann", "year > 1990"]


class WebRequests:
    """Requests to the web app: its own routes, Gradio's, the sign-in form, uploads, calls of every endpoint.

    Args:
        url: of the app.
        rng: what decides.
        cookie: of a session; empty: nobody has to sign in.
    """

    def __init__(self, url: str, rng: random.Random, cookie: str = "") -> None:
        self._rng = rng
        with urlopen(Asking(f"{url}/gradio_api/info", headers={"cookie": cookie}), timeout=90) as answer:
            named = json.load(answer)["named_endpoints"]
        self._inputs = {name.strip("/"): [one["type"] for one in call["parameters"]] for name, call in named.items()}
        self._events: deque[tuple[str, bytes]] = deque(maxlen=50)
        self._kinds = [self._call, self._own, self._page, self._queue, self._form, self._upload]
        self._shares = [18, 34, 24, 8, 10, 6]

    def hear(self, request: Request, answer: Answer) -> None:
        """Remember the events that calls began, which are then asked for."""
        found = _EVENT.search(answer.body) if answer.status == 200 else None
        if found and request.operation.startswith("POST /gradio_api/call"):
            self._events.append((request.operation.rpartition("/")[2], found[1]))

    def __iter__(self) -> Iterator[Request]:
        """Requests without end."""
        while True:
            rng = self._rng
            if len(self._events) > WAITING:
                name, event = self._events.popleft()
                yield _get(f"/gradio_api/call/{name}", b"/gradio_api/call/%b/%b" % (name.encode(), event))
                continue
            yield rng.choices(self._kinds, self._shares)[0]()

    def _call(self) -> Request:
        rng = self._rng
        name = rng.choice(list(self._inputs))
        kinds = self._inputs[name]
        values: list[object] = [self._value(kind) for kind in kinds]
        values = rng.choice((values, values, values, values[:-1], [*values, 1], []))
        document = rng.choice(({"data": values},) * 8 + ({}, {"data": None}, {"data": {}}, {"data": "x"}, values))
        if isinstance(document, dict) and rng.random() < 0.7:  # of few sessions: to make one costs the app much
            document = document | {"session_hash": rng.choice("abcde")}
        if isinstance(document, dict) and rng.random() < 0.2:
            key = rng.choice(["session_hash", "event_data", "trigger_id", "fn_index", "batched", "event_id", "meta"])
            document = document | {key: self._odd()}
        kind = rng.choices(["call", "api", "run", "call/v2"], [8, 1, 1, 1])[0]
        return _post(f"/gradio_api/{kind}/{name}", _dumps(document, rng), JSON_TYPE)

    def _value(self, kind: str) -> object:
        rng = self._rng
        if rng.random() < 0.3:
            return self._odd()
        if kind == "number" or kind == "integer":
            return rng.choice([0, 1, 5, 0.5, 20, None])
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "array":
            return [rng.choice(_WORDS) for _ in range(rng.randrange(4))]
        if kind == "string":
            return rng.choice(_WORDS)
        return rng.choice([None, {}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"url": "x"}, "x"])

    def _odd(self) -> object:
        rng = self._rng
        return rng.choice(
            [
                rng.choice(TEXTS),
                rng.choice(NUMBERS),
                None,
                True,
                [],
                {},
                [[]],
                [None] * 300,
                {"path": rng.choice(TEXTS)},
            ]
        )

    def _own(self) -> Request:
        """The app's own JSON routes."""
        rng = self._rng
        place = rng.choice(list(OWN))
        method, _, path = place.partition(" ")
        queries = [f"{name}={quote(self._word(name))}" for name in OWN[place] if rng.random() < 0.6]
        target = (path + ("?" + "&".join(queries) if queries else "")).encode()
        if method == "GET":
            return _get(path, target)
        document: dict[str, object] = {name: self._word(name) for name in FIELDS if rng.random() < 0.8}
        document |= {
            "people": [self._word("user") for _ in range(rng.randrange(5))],
            "value": rng.choice([4, 0.5, True]),
        }
        for name in list(document):
            if rng.random() < 0.1:
                document[name] = self._odd()
        body = _dumps(document, rng)
        if path in ("/app/picture", "/app/import"):
            body = rng.choice(
                [picture(1), b"", b"Title,Rating\nHeat,4\n", b"Const,Your Rating\ntt0113277,8\n", *BODIES]
            )
        return Request(place, b"POST", target, (JSON_TYPE,), body)

    def _word(self, name: str) -> str:
        """A value of a field, likely or odd."""
        rng = self._rng
        if rng.random() < 0.2:
            return rng.choice(TEXTS).encode("utf-8", "replace").decode()
        likely = {"n": ["1", "8", "1000"], "page": ["0", "3", "21"], "preview": ["0", "1"], "action": ACTIONS}
        likely |= {"movie_id": ["1", "2", "40"], "kind": KINDS, "filter": ["year > 1990", 'genre = "Drama"', ""]}
        return rng.choice(likely.get(name, _WORDS))

    def _page(self) -> Request:
        paths = [
            "/",
            "/?tab=film&film=1",
            "/health",
            "/config",
            "/theme.css",
            "/manifest.json",
            "/favicon.ico",
            "/robots.txt",
            "/pwa_icon",
            "/pwa_icon/x",
            "/plotly.min.js",
            "/matinee/matinee.js",
            "/matinee/../app.py",
            "/matinee/x",
            "/assets/x",
            "/static/x",
            "/svelte/x",
            "/media/posters/1",
            "/media/posters/1?size=small",
            "/media/posters/",
            "/media/map/content",
            "/media/map/x",
            "/sign-in",
            "/sign-in?next=/x",
            "/sign-out",
            "/login",
            "/logout",
            "/monitoring",
            "/monitoring/x",
            "/gradio_api/info",
            "/gradio_api/app_id",
            "/gradio_api/openapi.json",
            "/gradio_api/startup-events",
            "/gradio_api/theme.css",
            "/gradio_api/file=x",
            "/gradio_api/file=/etc/passwd",
            "/gradio_api/proxy=http://127.0.0.1:1/",
            "/gradio_api/upload_progress?upload_id=x",
            "/gradio_api/heartbeat/x",
            "/gradio_api/queue/data?session_hash=x",
            "/gradio_api/queue/status",
            "/gradio_api/runs",
            "/gradio_api/component_server",
            "/gradio_api/deep_link",
            "/gradio_api/user",
            "/gradio_api/token",
            "/gradio_api/call/film/x",
            "/gradio_api/stream/x/1/1/playlist.m3u8",
            "/gradio_api/custom_component/1/client/x/y",
        ]
        path = self._rng.choice(paths)
        return _get(re.sub(r"\?.*", "", path), path.encode())

    def _queue(self) -> Request:
        rng = self._rng
        document: dict[str, object] = {
            "data": [self._odd() for _ in range(rng.randrange(6))],
            "fn_index": rng.randrange(60),
        }
        document |= {
            "session_hash": rng.choice(["s", self._odd()]),
            "event_id": "x",
            "trigger_id": rng.choice([1, self._odd()]),
        }
        for key in list(document):
            if rng.random() < 0.15:
                document[key] = self._odd()
            elif rng.random() < 0.1:
                del document[key]
        path = rng.choice(
            ["queue/join", "queue/join", "queue/join", "cancel", "reset", "component_server", "run/predict"]
        )
        return _post(f"/gradio_api/{path}", _dumps(document, rng), JSON_TYPE)

    def _form(self) -> Request:
        rng = self._rng
        body = rng.choice([b"password=x&next=/", b"next=//evil.test", b"password=%ff%zz&next=%00", *BODIES])
        return _post(rng.choice(["/sign-in", "/sign-in", "/sign-out", "/login"]), body, FORM_TYPE)

    def _upload(self) -> Request:
        rng = self._rng
        name = rng.choice(["a.png", "", "../../x", "\u202e.png", "a" * 400, "\x01", "con.", "a\\b.jpg", '"'])
        field = rng.choice(["files", "files", "files", "file", ""])
        body = multipart(field, name, rng.choice([picture(1), b"", b"x", b"<svg/>"]), rng)
        path = rng.choice([b"/gradio_api/upload", b"/gradio_api/upload?upload_id=x", b"/gradio_api/upload/"])
        return Request("POST /gradio_api/upload", b"POST", path, (MULTIPART_TYPE,), body)


class StudioRequests:
    """Requests to the studio: Streamlit's pages, health, media, components, uploads, and handshakes of its socket."""

    def __init__(self, url: str, rng: random.Random, cookie: str = "") -> None:
        del url, cookie
        self._rng = rng

    def hear(self, request: Request, answer: Answer) -> None:
        """Nothing is remembered."""

    def __iter__(self) -> Iterator[Request]:
        """Requests without end."""
        while True:
            yield self._rng.choices([self._page, self._upload, self._socket, self._post], [60, 20, 8, 12])[0]()

    def _page(self) -> Request:
        paths = [
            "/",
            "/film",
            "/x",
            "/index.html",
            "/favicon.ico",
            "/static/x",
            "/app/static/x",
            "/_stcore/health",
            "/_stcore/script-health-check",
            "/healthz",
            "/_stcore/host-config",
            "/_stcore/allowed-message-origins",
            "/_stcore/metrics",
            "/_stcore/message",
            "/media/x",
            "/media/x.png",
            "/media/../app.py",
            "/component/x",
            "/component/x/index.html",
            "/component/streamlit.x/y",
            "/_stcore/bidi-components/x",
            "/_stcore/bidi-components/x/y",
            "/_stcore/upload_file/x/y",
            "/manifest.json",
            "/vendor/x",
            "/oauth2callback",
            "/auth/login",
            "/auth/logout",
            "/~/+/x",
            "/?embed=true&q=1",
        ]
        path = self._rng.choice(paths)
        return _get(re.sub(r"\?.*", "", path), path.encode())

    def _upload(self) -> Request:
        rng = self._rng
        session, file = (rng.choice([b"x", b"..", b"%00", b"a" * 300, b"%ff", b""]) for _ in range(2))
        target = b"/_stcore/upload_file/%b/%b" % (session, file)
        body = multipart(rng.choice(["file", "x", ""]), "a.png", rng.choice([picture(1), b"", b"x" * 100]), rng)
        method = rng.choice([b"PUT", b"PUT", b"POST", b"DELETE", b"OPTIONS"])
        return Request(f"{method.decode()} /_stcore/upload_file", method, target, (MULTIPART_TYPE,), body)

    def _socket(self) -> Request:
        rng = self._rng
        key = rng.choice([b"dGhlIHNhbXBsZSBub25jZQ==", b"", b"x", b"\xff"])
        protocols = rng.choice([b"streamlit", b"streamlit, x, y", b"\xff", b",,,", b"a" * 3000, b""])
        headers = [(b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-key", key)]
        headers += [
            (b"sec-websocket-version", rng.choice([b"13", b"8", b"x", b""])),
            (b"sec-websocket-protocol", protocols),
        ]
        headers += [(b"origin", rng.choice([b"http://evil.test", b"null", b"\xff", b"http://[::1"]))]
        rng.shuffle(headers)
        sent = tuple(headers[: rng.randrange(2, 8)])
        return Request("GET /_stcore/stream", b"GET", b"/_stcore/stream", sent, b"", whole=False)

    def _post(self) -> Request:
        rng = self._rng
        return _post(
            rng.choice(["/", "/_stcore/stream", "/media/x", "/_stcore/health", "/x"]), rng.choice(BODIES), JSON_TYPE
        )


def multipart(field: str, name: str, content: bytes, rng: random.Random) -> bytes:
    """A form with one file, rightly or wrongly framed."""
    kind = rng.choice([b"image/png", rng.choice(TYPES)])
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: '.encode()
    end = rng.choice([b"\r\n--x--\r\n"] * 5 + [b"", b"--x--", b"\r\n--x\r\n", b"\r\n--y--\r\n"])
    return head + kind + b"\r\n\r\n" + content + end


def _dumps(value: object, rng: random.Random) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
    except ValueError:
        return b"{}"


def _get(operation: str, target: bytes) -> Request:
    return Request(f"GET {operation}", b"GET", target)


def _post(path: str, body: bytes, kind: tuple[bytes, bytes]) -> Request:
    return Request(f"POST {path}", b"POST", path.encode(), (kind,), body)
