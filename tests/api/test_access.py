"""Keys and roles over real sockets: every route of every service with every kind of key."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from api_support import Client
from matinee.access import Key, KeyFile, new_key
from matinee.access.keys import now
from matinee.api import create_app
from matinee.api.serve import SERVICES, Service, create
from matinee.client import AsyncClient, RefusedError, calls
from matinee.client import Client as CoreClient
from matinee.errors import EncoderError, InvalidInputError
from matinee.remote.encoders import RemoteTextEncoder
from matinee.settings import Settings
from service_support import serving
from socket_support import on_a_socket

OPEN = {"GET /", "GET /health", "GET /ready", "GET /docs", "GET /redoc", "GET /openapi.json"}
GROUP = "POST /v1/recommendations/group"
READING_POSTS = {
    "core": {"POST /v1/recommendations", GROUP, "POST /v1/posters/search", "POST /favourites", "POST /recommendation"},
    "recommender": {"POST /recommend", "POST /v1/scores", "POST /v1/contributions", "POST /v1/user-factors"},
    "vectors": {"POST /reco", "POST /search", "POST /vectors"},
    "encoder": {"POST /generate", "POST /embed"},
}
ADMIN = {
    "GET /v1/experiments",
    "POST /v1/experiments",
    "GET /v1/experiments/{experiment}",
    "POST /v1/experiments/{experiment}/stop",
    "GET /v1/experiments/{experiment}/logged",
    "GET /v1/experiments/{experiment}/arms/{arm}/lists/{user_id}",
    "POST /v1/imports",
    "DELETE /v1/users/{user_id}",
    "POST /v1/snapshots/{snapshot_id}/promote",
    "POST /v1/snapshots/rollback",
}
OF_THE_USER = {
    "GET /v1/users/{user_id}",
    "GET /v1/users/{user_id}/ratings",
    "PUT /v1/users/{user_id}/ratings/{movie_id}",
    "DELETE /v1/users/{user_id}/ratings/{movie_id}",
    "GET /v1/users/{user_id}/states",
    "POST /v1/users/{user_id}/states",
    "POST /v1/users/{user_id}/claim",
    "POST /v1/users/{user_id}/import",
    "GET /v1/users/{user_id}/export",
    "PUT /v1/users/{user_id}/states/{state}/{movie_id}",
    "DELETE /v1/users/{user_id}/states/{state}/{movie_id}",
    "GET /v1/users/{user_id}/recommendations",
    "GET /v1/users/{user_id}/explanations/{movie_id}",
    "GET /recommendations/{user_id}",
    "GET /feature/{user_id}",
}
OF_EVERY_USER = {
    *(READING_POSTS["core"] - {GROUP}),
    "GET /v1/movies",
    "GET /v1/movies/{movie_id}",
    "GET /v1/movies/{movie_id}/similar",
    "GET /v1/movies/{movie_id}/ratings",
    "GET /v1/movies/{movie_id}/poster",
    "GET /v1/titles",
    "GET /v1/search",
    "GET /v1/people",
    "GET /v1/popular",
    "GET /v1/map",
    "GET /v1/models",
}
"""What the key of one user opens whoever the user is."""
OWN, OTHER = "u1", "u2"


@dataclass
class Served:
    """A service that demands keys, and one key of each kind."""

    url: str
    data_dir: Path
    keys: dict[str, str]
    ids: dict[str, str]

    def __post_init__(self) -> None:
        self._addresses = (f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in count(1))
        self.http = httpx.Client(base_url=self.url, trust_env=False)

    def ask(self, method: str, path: str, kind: str | None = None, **options: Any) -> httpx.Response:
        """A request by a key of a kind, from an address of its own: as behind a proxy on this machine."""
        headers = {"x-forwarded-for": next(self._addresses), **options.pop("headers", {})}
        if kind is not None:
            headers["authorization"] = f"Bearer {self.keys[kind]}"
        return self.http.request(method, path, headers=headers, **options)


def keys_in(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Keys of every kind in the file of a data folder: their texts and their ids."""
    file = KeyFile(folder / "keys.json")
    texts, ids = {}, {}

    def make(kind: str, role: Any, change: Callable[[Key], Key] = lambda key: key, **options: Any) -> None:
        key, texts[kind] = new_key(kind, role, **options)
        ids[kind] = key.id
        file.add(change(key))

    for role in ("read", "write", "admin"):
        make(role, role)
    make("own", "write", user=OWN)
    make("own read", "read", user=OWN)
    make("other", "write", user=OTHER)
    past = now() - timedelta(days=1)
    make("expired", "admin", lambda key: key.model_copy(update={"expires": past}))
    make("revoked", "admin")
    file.revoke(ids["revoked"])
    texts["unknown"] = new_key("unknown", "admin")[1]
    texts["wrong"] = texts["admin"][:-1] + ("0" if texts["admin"][-1] != "0" else "1")
    return texts, ids


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


KINDS = (None, "read", "write", "admin", "own", "own read", "other", "expired", "revoked", "unknown", "wrong")


@pytest.fixture(scope="module")
def start(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Starts a service over data of its own; each once."""
    running: dict[Service, Served] = {}
    with ExitStack() as stack:

        def get(service: Service) -> Served:
            if service not in running:
                folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp(service) / "data"))
                settings = Settings(data_dir=folder, text_encoder="off", image_encoder="off", hash_ids_in_logs=True)
                url = stack.enter_context(on_a_socket(create(service, settings)))
                running[service] = Served(url, folder, *keys_in(folder))
                stack.callback(running[service].http.close)
            return running[service]

        yield get


@pytest.fixture
def core(start: Callable[..., Served]) -> Served:
    return start("core")


# --- the table ------------------------------------------------------------------------------------------------------
def allowed(service: Service, route: str, kind: str | None) -> int | None:
    """401 or 403, or None where the request is answered."""
    method, _, path = route.partition(" ")
    if route in OPEN or route.removesuffix("/") in ("GET /classic", "GET /classic/titles"):
        return None
    if kind in (None, "expired", "revoked", "unknown", "wrong"):
        return 401
    plain = f"{method} {path.removeprefix('/classic/titles').removeprefix('/classic')}"
    role = "admin" if plain in ADMIN else "read"
    if plain == "GET /v1/imports/{key}" or (role == "read" and method != "GET" and plain not in READING_POSTS[service]):
        role = "write"
    has = {"own": "write", "own read": "read", "other": "write"}.get(kind, kind)
    assert has is not None
    if ("read", "write", "admin").index(has) < ("read", "write", "admin").index(role):
        return 403
    if kind not in ("own", "own read", "other") or plain in OF_EVERY_USER:
        return None
    return None if kind != "other" and plain in OF_THE_USER else 403


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_with_every_kind_of_key(start: Callable[..., Served], service: Service) -> None:
    served = start(service)
    document = served.ask("GET", "/openapi.json").json()
    routes = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    if service == "core":
        classic = [route for route in routes if "/v1/" not in route and route not in (*OPEN, "GET /metrics")]
        routes += [route.replace(" ", " /classic", 1) for route in classic]
        routes += ["POST /classic/titles/recommendation", "GET /classic", "GET /classic/titles/"]
    values = {
        "user_id": OWN,
        "movie_id": "nothing",
        "state": "seen",
        "snapshot_id": "nothing",
        "run_id": "nothing",
        "experiment": "nothing",
        "arm": "nothing",
        "item": "3",
        "key": "nothing",
    }
    wrong, tried = [], 0
    for route in sorted({*routes, *OPEN}):
        method, _, path = route.partition(" ")
        for kind in KINDS:
            body = {} if method == "GET" else {"json": {}}
            # Nobody is erased here: an administrator's request is about somebody who is not there.
            user = "nobody" if route in ADMIN else OWN
            answer = served.ask(method, path.format(**(values | {"user_id": user})), kind, **body)
            wanted = allowed(service, route, kind)
            got = answer.status_code if answer.status_code in (401, 403, 429, 500) else None
            tried += 1
            if got != wanted:
                wrong.append((route, kind, wanted, answer.status_code))
            if got:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["type"].startswith("urn:matinee:problem:")
                assert answer.headers.get("www-authenticate", "").startswith("Bearer") == (got == 401)
    assert not wrong
    assert tried >= len(KINDS) * len(routes) >= 66


def test_what_leads_nowhere_needs_any_key(core: Served) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("POST", "/v1/movies", 405), ("DELETE", "/docs", 405)):
        assert core.ask(method, path).status_code == 401
        assert core.ask(method, path, "own read").status_code == status
    assert core.ask("HEAD", "/v1/movies").status_code == 401
    assert core.ask("HEAD", "/v1/movies", "read").status_code == 200
    assert core.ask("GET", "/static-docs/swagger-ui.css").status_code == 200


def test_a_users_key_is_for_that_user(core: Served) -> None:
    assert core.ask("GET", f"/v1/users/{OWN}/recommendations?n=3", "own").json()["user_id"] == OWN
    assert core.ask("GET", f"/v1/users/{OWN}", "own read").status_code == 200
    movie = core.ask("GET", "/v1/movies", "own").json()["items"][0]["movie_id"]
    path = f"/v1/users/{OWN}/ratings/{movie}"
    assert core.ask("PUT", path, "own", json={"rating": 4}).status_code == 204
    assert core.ask("PUT", path, "own read", json={"rating": 4}).json()["type"] == "urn:matinee:problem:role"
    # Once cached, an answer is still its user's only.
    for _ in range(3):
        answer = core.ask("GET", f"/v1/users/{OWN}/recommendations?n=3", "other")
        assert answer.json()["type"] == "urn:matinee:problem:other-user"
        assert "items" not in answer.json()


@pytest.mark.parametrize("path", ["/v1/users/u1%20/ratings", "/v1/users/u1/../u2/ratings", "/v1/users/U1/ratings"])
def test_another_spelling_is_another_user(core: Served, path: str) -> None:
    assert core.ask("GET", path, "own").status_code in (403, 404)


def test_both_headers_carry_a_key(core: Served) -> None:
    def status(*headers: tuple[str, str]) -> int:
        return httpx.get(core.url + "/v1/movies", headers=[*headers, ("x-forwarded-for", "10.9.9.9")]).status_code

    read, other = core.keys["read"], core.keys["write"]
    assert status(("X-Api-Key", read)) == 200
    assert status(("authorization", f"bearer  {read}")) == 200
    assert status(("authorization", f"Bearer {read}"), ("x-api-key", read)) == 200
    assert status(("authorization", "Basic YTpi"), ("x-api-key", read)) == 200
    assert status(("authorization", f"Bearer {read}"), ("x-api-key", other)) == 401
    assert status(("authorization", f"Basic {read}")) == 401
    assert status(("authorization", read)) == 401


def test_a_refused_key_is_told_why(core: Served) -> None:
    def kind(name: str | None) -> str:
        answer = core.ask("GET", "/v1/movies", name)
        assert ('error="invalid_token"' in answer.headers["www-authenticate"]) == (name is not None)
        return str(answer.json()["type"].rpartition(":")[2])

    assert [kind(name) for name in (None, "unknown", "wrong", "expired", "revoked")] == [
        "key-missing",
        "key-unknown",
        "key-unknown",
        "key-expired",
        "key-revoked",
    ]


def test_metrics_are_for_this_machine_or_a_key(core: Served) -> None:
    assert httpx.get(core.url + "/metrics", trust_env=False).status_code == 200
    assert core.ask("GET", "/metrics").status_code == 401
    assert core.ask("GET", "/metrics", "read").status_code == 200
    # A proxy on this machine that names a caller who says that it is this machine.
    forged = {"x-forwarded-for": "127.0.0.1, 192.0.2.1"}
    assert core.ask("GET", "/metrics", headers=forged).status_code == 401


def test_a_large_body_without_a_key_is_not_read(core: Served) -> None:
    port = int(core.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=90) as connection:
        connection.sendall(
            b"POST /v1/ratings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 4000000\r\n\r\n[" + b" " * 1000
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


# --- changes while it runs ------------------------------------------------------------------------------------------
def test_keys_count_and_end_while_it_runs(core: Served) -> None:
    file = KeyFile(core.data_dir / "keys.json")

    def status() -> int:
        return core.ask("GET", "/v1/users/u1/recommendations", "new").status_code

    for _ in range(3):
        key, core.keys["new"] = new_key("new", "read")
        assert status() == 401
        file.add(key)
        wait_until(lambda: status() == 200)
        file.revoke(key.id)
        wait_until(lambda: status() == 401)


def test_every_worker_follows(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "data"))
    with serving("core", Settings(data_dir=folder, workers=2), tmp_path / "log") as process:

        def all_say(*statuses: int, **headers: str) -> bool:
            """Whether new connections, which the workers share, get one of these statuses."""
            url = process.url + "/v1/movies"
            return all(httpx.get(url, headers=headers, trust_env=False).status_code in statuses for _ in range(12))

        assert all_say(200)
        key, text = new_key("app", "read")
        KeyFile(folder / "keys.json").add(key)
        wait_until(lambda: all_say(401))
        assert all_say(200, authorization=f"Bearer {text}")
        KeyFile(folder / "keys.json").revoke(key.id)
        # 429: one worker follows before the other, and counts what is asked meanwhile as guesses.
        wait_until(lambda: all_say(401, 429, authorization=f"Bearer {text}"))
        assert all_say(401), "no key is left, and nothing is open"


def test_auth_by_setting(trained: Path, tmp_path: Path) -> None:
    def status(folder: Path, **settings: Any) -> int:
        with Client(create_app(Settings(data_dir=folder, **settings))) as client:
            return client.get("/v1/movies").status_code

    folder = Path(shutil.copytree(trained, tmp_path / "data"))
    assert status(folder) == 200
    assert status(folder, auth="on") == 401
    assert status(folder, host="0.0.0.0") == 401
    assert status(folder, host="0.0.0.0", insecure=True) == 200
    KeyFile(folder / "keys.json").add(new_key("app", "read")[0])
    assert status(folder) == 401
    assert status(folder, host="0.0.0.0", insecure=True) == 401
    assert status(folder, auth="off") == 200
    assert status(folder, keys_file=str(tmp_path / "none.json")) == 200
    (folder / "keys.json").write_text("{")
    assert status(folder) == 503
    assert status(folder, auth="off") == 200


# --- limits ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def limited(trained: Path, tmp_path: Path) -> Iterator[Callable[..., httpx.Response]]:
    """A core that answers three requests a minute; asked from any address with any key."""
    folder = Path(shutil.copytree(trained, tmp_path / "data"))
    file, keys = KeyFile(folder / "keys.json"), {}
    for name, rate in (("default", None), ("five", 5), ("any", 0)):
        key, keys[name] = new_key(name, "read", rate=rate)
        file.add(key)
    with on_a_socket(create_app(Settings(data_dir=folder, rate_limit=3))) as url, httpx.Client(base_url=url) as http:

        def ask(address: str, key: str | None = None, path: str = "/v1/users/u1/recommendations") -> httpx.Response:
            headers = {"x-forwarded-for": address}
            if key is not None:
                headers["x-api-key"] = keys.get(key, key)
            return http.get(path, headers=headers)

        yield ask


def test_each_key_has_its_limit_wherever_it_comes_from(limited: Callable[..., httpx.Response]) -> None:
    for name, limit in (("default", 3), ("five", 5)):
        answers = [limited(f"192.0.2.{i}", name) for i in range(limit + 2)]
        assert [answer.status_code for answer in answers] == [200] * limit + [429] * 2
        refused = answers[-1]
        assert refused.headers["ratelimit-policy"] == f'"minute";q={limit};w=60'
        assert refused.json()["type"] == "urn:matinee:problem:rate-limit"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"minute";r=0;')
    assert {limited("192.0.2.1", "any").status_code for _ in range(20)} == {200}
    assert limited("192.0.2.1", "default", "/health").status_code == 200


def test_who_has_no_key_has_a_limit_by_address(limited: Callable[..., httpx.Response]) -> None:
    for network in ("192.0.2.7", "2001:db8:0:1:"):
        addresses = [network + (f":{i}" if ":" in network else "") for i in range(5)]
        assert [limited(address).status_code for address in addresses] == [401] * 3 + [429] * 2
    assert limited("192.0.2.8").status_code == 401


def test_guesses_are_limited_and_right_keys_are_not_locked_out(core: Served) -> None:
    def ask(key: str) -> httpx.Response:
        return core.ask("GET", "/v1/movies", headers={"x-api-key": key, "x-forwarded-for": "192.0.2.99"})

    statuses = [ask("guess").status_code for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert ask("guess").headers["retry-after"]
    assert ask(core.keys["read"]).status_code == 200


def test_addresses_are_limited_without_keys(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "data"))
    with Client(create_app(Settings(data_dir=folder, rate_limit=2))) as client:
        assert [client.get("/v1/movies").status_code for _ in range(3)] == [200, 200, 429]
        assert client.post("/v1/ratings", json=[]).status_code == 429
        assert client.get("/ready").status_code == 200


# --- the audit log --------------------------------------------------------------------------------------------------
def audit(folder: Path) -> list[dict[str, Any]]:
    path = folder / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_administrators_acts_are_recorded(core: Served) -> None:
    before = len(audit(core.data_dir))
    core.ask("POST", "/v1/snapshots/rollback", "admin", headers={"x-request-id": "follow-me"})
    core.ask("DELETE", "/v1/users/somebody", "admin")
    core.ask("DELETE", "/v1/users/somebody", "write")
    for kind in (None, "revoked"):  # strangers cannot fill it
        core.ask("DELETE", "/v1/users/somebody", kind)
    core.ask("GET", "/v1/users/u1", "admin")
    rollback, erased, refused = audit(core.data_dir)[before:]
    assert rollback.pop("time")
    assert rollback.pop("address").startswith("10.")
    assert rollback == {
        "act": "request",
        "method": "POST",
        "route": "/v1/snapshots/rollback",
        "path": "/v1/snapshots/rollback",
        "status": 409,
        "key": core.ids["admin"],
        "request_id": "follow-me",
    }
    assert (erased["route"], erased["status"], erased["key"]) == ("/v1/users/{user_id}", 404, core.ids["admin"])
    assert (refused["status"], refused["key"]) == (403, core.ids["write"])
    assert erased["user"] == refused["user"] != "somebody"
    assert "somebody" not in (core.data_dir / "audit.jsonl").read_text()
    assert (core.data_dir / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_acts_are_recorded_without_keys_too(data_dir: Path) -> None:
    with Client(create_app(Settings(data_dir=data_dir))) as client:
        client.delete("/v1/users/somebody")
        client.post("/v1/ratings", json=[])
    (line,) = audit(data_dir)
    assert line["user"] == "somebody"
    assert "key" not in line


# --- clients --------------------------------------------------------------------------------------------------------
def test_clients_send_the_key_of_the_setting(core: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with CoreClient(core.url, core.keys["read"]) as client:
        assert client.send(calls.movies(limit=1))["items"]
        with pytest.raises(RefusedError, match="needs write") as refused:
            client.send(calls.rate("1", "1", 3))
        assert refused.value.status == 403
    with CoreClient(core.url) as client, pytest.raises(RefusedError, match="MATINEE_API_KEY") as refused:
        client.send(calls.movies(limit=1))
    assert refused.value.status == 401
    monkeypatch.setenv("MATINEE_API_KEY", core.keys["read"])
    with CoreClient(core.url) as client:
        assert client.send(calls.movies(limit=1))["items"]
    with CoreClient(core.url, "") as client, pytest.raises(RefusedError):
        client.send(calls.movies(limit=1))
    with pytest.raises(InvalidInputError, match="MATINEE_API_KEY"):
        AsyncClient(core.url, "käse")


def test_services_send_their_key_to_others(start: Callable[..., Served], trained: Path, tmp_path: Path) -> None:
    scores, encoder = start("recommender"), start("encoder")
    folder = Path(shutil.copytree(trained, tmp_path / "data"))

    def models(key: str) -> httpx.Response:
        settings = Settings(data_dir=folder, recommender_url=scores.url, api_key=key)
        with Client(create_app(settings)) as client:
            return client.get("/v1/users/u1/recommendations")

    assert models(scores.keys["read"]).status_code == 200
    refused = models("")
    assert refused.status_code == 503
    assert "MATINEE_API_KEY" in refused.json()["detail"]
    with pytest.raises(EncoderError, match="needs an API key"):
        RemoteTextEncoder(encoder.url).encode(["a"])
    with pytest.raises(EncoderError) as error:
        RemoteTextEncoder(encoder.url, key=encoder.keys["read"]).encode(["a"])
    assert "API key" not in str(error.value)


# --- rubbish --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A core without a snapshot, in this process, that demands keys."""
    folder = tmp_path_factory.mktemp("guarded")
    KeyFile(folder / "keys.json").add(new_key("app", "read")[0])
    with Client(create_app(Settings(data_dir=folder))) as client:
        yield client


VALUES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=100).map(lambda value: b"Bearer " + value),
    st.from_regex(rb"\A[Bb]earer matinee_[0-9a-f]{11,13}_[0-9a-f]{63,65}\Z"),
)


@examples(max_examples=150, deadline=None)
@given(
    headers=st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), VALUES), max_size=4),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"]),
    path=st.sampled_from(
        ["/v1/movies", "/v1/users/u1", "/nothing", "/classic/favourites/", "/x//", "/v1/users/%00/ratings"]
    ),
)
def test_no_header_makes_it_fail(guarded: Client, headers: list[Any], method: str, path: str) -> None:
    assert guarded.request(method, path, headers=headers).status_code in (401, 429)
