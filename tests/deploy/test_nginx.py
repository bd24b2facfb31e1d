"""The files of deploy/nginx in a real nginx, in front of a real core, web app and studio."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from websockets.sync.client import connect

from apps_support import Service, serving, train_small
from matinee.settings import Settings
from nginx_support import CONFIGURATION, Nginx, running
from service_support import free_port
from tiny_models import picture

MAX_BODY: int = Settings.model_fields["max_body"].default


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("core")
    with serving(["serve"], "/ready", folder, train_small(folder)) as service:
        yield service


@pytest.fixture(scope="module")
def web(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"]}
    with serving(["web"], "/health", tmp_path_factory.mktemp("web"), environment) as service:
        yield service


@pytest.fixture(scope="module")
def studio(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_STUDIO_ROOT": "/studio"}
    folder = tmp_path_factory.mktemp("studio")
    with serving(["studio"], "/studio/_stcore/health", folder, environment) as service:
        yield service


@pytest.fixture(scope="module")
def upstreams(core: Service, web: Service, studio: Service) -> dict[str, list[str]]:
    """All three; the first of two cores is not there."""
    return {
        "core": [f"127.0.0.1:{free_port()}", f"127.0.0.1:{core.port}"],
        "web": [f"127.0.0.1:{web.port}"],
        "studio": [f"127.0.0.1:{studio.port}"],
    }


@pytest.fixture(scope="module")
def nginx(upstreams: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with running(tmp_path_factory.mktemp("nginx"), upstreams) as nginx:
        yield nginx


@pytest.fixture
def http(nginx: Nginx) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nginx.url, timeout=90, trust_env=False) as client:
        yield client


@pytest.mark.extended
def test_the_core_answers_although_one_of_two_is_away(http: httpx.Client) -> None:
    for _ in range(6):
        answer = http.get("/v1/users/1/recommendations", params={"n": 3})
        assert answer.status_code == 200
        assert len(answer.json()["items"]) == 3
    assert http.get("/ready").json()["status"] == "ready"
    assert http.put("/v1/users/nginx/ratings/1", json={"rating": 4}).is_success


@pytest.mark.parametrize(
    "path",
    ["/recommendations?user_id=1", "/recommendations/1", "/features?user_id=1", "/feature/1", "/docs", "/openapi.json"],
)
def test_routes_of_earlier_systems_and_the_documentation_are_the_cores(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200


def test_ratings_of_earlier_clients_go_through(http: httpx.Client) -> None:
    answer = http.post("/update_ratings", json={"classic": {"movie_id": ["1", "3"], "ratings": [5, 4]}})
    assert (answer.status_code, answer.json()) == (200, None)
    assert http.get("/features", params={"user_id": "classic"}).json()["features"]


def test_a_body_over_the_limit_is_refused_with_a_problem_document(http: httpx.Client) -> None:
    image = {"content-type": "image/png"}
    answer = http.post("/v1/posters/search", content=bytes(MAX_BODY + 1), headers=image)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 413
    assert "8 MiB" in answer.json()["detail"]
    # A byte less reaches the core, which says what is wrong with it.
    answer = http.post("/v1/posters/search", content=bytes(MAX_BODY), headers=image)
    assert answer.status_code in (415, 422)


def test_too_many_requests_of_one_address_get_429(upstreams: dict[str, list[str]], tmp_path: Path) -> None:
    with (
        running(tmp_path, upstreams) as nginx,
        httpx.Client(base_url=nginx.url, timeout=90, trust_env=False) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(threads.map(lambda _: client.get("/v1/movies/1"), range(400)))
        assert {answer.status_code for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["title"] == "Too Many Requests"
        assert client.get("/-/healthy").text == "ok\n"  # of the proxy itself: without a limit
        end = time.monotonic() + 90
        while client.get("/v1/movies/1").status_code != 200:  # soon the address is welcome again
            assert time.monotonic() < end
            time.sleep(0.1)


def test_json_is_compressed(http: httpx.Client) -> None:
    answer = http.get("/v1/movies", params={"limit": 40}, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert len(answer.json()["items"]) == 40
    plain = http.get("/v1/movies", params={"limit": 40}, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == answer.json()


@pytest.mark.parametrize("path", ["/v1/movies/2/poster", "/media/posters/2"])
def test_posters_are_cached(http: httpx.Client, path: str) -> None:
    first, second = http.get(path), http.get(path)
    assert first.status_code == second.status_code == 200
    assert second.headers["x-cache"] == "HIT"
    assert second.content == first.content
    assert second.headers["content-type"] == "image/jpeg"
    again = http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("header", [{"cookie": "matinee_session=another"}, {"authorization": "Bearer another"}])
def test_kept_posters_are_not_shown_to_who_may_not_see_them(http: httpx.Client, header: dict[str, str]) -> None:
    http.get("/media/posters/2")
    assert http.get("/media/posters/2").headers["x-cache"] == "HIT"
    assert http.get("/media/posters/2", headers=header).headers["x-cache"] == "MISS"  # the service is asked


def test_request_ids_go_in_and_out_and_into_the_log(nginx: Nginx, http: httpx.Client) -> None:
    answer = http.get("/v1/popular", headers={"x-request-id": "order-66.a"})
    assert answer.headers.get_list("x-request-id") == ["order-66.a"]
    line = nginx.logged("order-66.a")
    assert (line["path"], line["status"], line["method"]) == ("/v1/popular", 200, "GET")
    assert float(line["upstream_seconds"].split(", ")[-1]) >= 0
    made = http.get("/v1/popular").headers["x-request-id"]
    assert len(made) == 32
    assert nginx.logged(made)["path"] == "/v1/popular"
    odd = http.get("/v1/popular", headers={"x-request-id": 'a"b c'}).headers["x-request-id"]
    assert len(odd) == 32


def test_the_web_app_streams_and_takes_a_poster(nginx: Nginx, http: httpx.Client, tmp_path: Path) -> None:
    page = http.get("/", headers={"accept-encoding": "gzip"})
    assert page.status_code == 200
    assert page.headers["content-encoding"] == "gzip"
    assert http.get("/health").json() == {"status": "ok"}
    (tmp_path / "poster.jpg").write_bytes(picture(3, sides=(160, 240)))
    client = Client(nginx.url, verbose=False, download_files=False, httpx_kwargs={"trust_env": False})
    try:  # the client uploads, joins the queue, and reads the answer from an event stream
        found, _ = client.predict(handle_file(str(tmp_path / "poster.jpg")), 4, api_name="/match")
        picks, _, *_ = client.predict(user="1", api_name="/recommend")
    finally:
        client.close()
    assert found["items"][0]["movie_id"] == "3"
    assert picks["items"]


def test_the_studio_answers_below_its_path(nginx: Nginx, http: httpx.Client) -> None:
    moved = http.get("/studio")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{nginx.url}/studio/")
    page = http.get("/studio/")
    assert page.status_code == 200
    assert "<script" in page.text
    assert http.get("/studio/_stcore/health").text == "ok"
    address = nginx.url.replace("http://", "ws://") + "/studio/_stcore/stream"
    with connect(address, origin=nginx.url, open_timeout=90, proxy=None) as socket:  # type: ignore[arg-type]
        assert socket.protocol.state.name == "OPEN"


def test_all_upstream_files_name_the_same_services() -> None:
    names = [
        re.findall(r"^upstream (\w+) \{$", (CONFIGURATION / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in ("upstreams.conf", "upstreams-local.conf")
    ]
    assert names == [["core", "web", "studio"]] * 2


def test_metrics_stay_inside(http: httpx.Client) -> None:
    assert http.get("/metrics").status_code == 404


def test_services_that_are_away_are_a_problem_document(tmp_path: Path) -> None:
    away = [f"127.0.0.1:{free_port()}"]
    with (
        running(tmp_path, {"core": away, "web": away, "studio": away}) as nginx,
        httpx.Client(base_url=nginx.url, timeout=90, trust_env=False) as client,
    ):
        for path in ("/v1/popular", "/", "/studio/"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "5"
            assert "no answer" in answer.json()["detail"]
            assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl, which makes the certificate, is not installed")
def test_https_with_the_files_of_a_certificate(upstreams: dict[str, list[str]], tmp_path: Path) -> None:
    certificate = tmp_path / "tls"
    certificate.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", certificate / "privkey.pem", "-out", certificate / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    with running(folder, upstreams, certificate) as nginx:
        asked = httpx.get(f"{nginx.url}/v1/popular?n=2", trust_env=False)
        assert asked.status_code == 308
        assert asked.headers["location"] == "https://127.0.0.1/v1/popular?n=2"
        curl = [
            "curl",
            "--silent",
            "--show-error",
            "--cacert",
            certificate / "fullchain.pem",
            "--include",
            "--noproxy",
            "*",
        ]
        answer = subprocess.run([*curl, f"{nginx.tls_url}/v1/popular?n=2"], capture_output=True, text=True, timeout=60)
        assert answer.stdout.startswith("HTTP/2 200"), answer
        assert "strict-transport-security: max-age=31536000" in answer.stdout


def test_who_sends_slowly_is_sent_away() -> None:
    text = (CONFIGURATION / "nginx.conf").read_text(encoding="utf-8")
    for name in ("client_header_timeout", "client_body_timeout", "send_timeout"):
        [seconds] = re.findall(rf"^\s+{name} (\d+)s;", text, re.MULTILINE)
        assert int(seconds) <= 30


def test_the_studio_has_security_headers_once(http: httpx.Client) -> None:
    for path in ("/studio/", "/v1/popular", "/"):
        headers = http.get(path).headers.multi_items()
        for name in ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"):
            assert [key for key, _ in headers].count(name) == 1, (path, name)
