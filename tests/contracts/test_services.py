"""What every service must do, as a process on a real socket: core, vectors, encoder, recommender."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from matinee.api.protocol import MAX_HEAD
from matinee.api.serve import SERVICES, Service
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process, serving
from support import random_dataset
from tiny_models import image_model, picture, text_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")

PROBLEM = "application/problem+json"
POSTS = {"core": "/v1/ratings", "vectors": "/search", "encoder": "/generate", "recommender": "/recommend"}
"""A path of each service that reads JSON."""
GREETINGS = {
    "core": "matinee",
    "vectors": "matinee-vectors",
    "encoder": "Hello from Embedding Generator",
    "recommender": "Hello from Recommender",
}
"""What each says at its root: its name in a record, or a classic greeting."""
MAX_BODY = 1 << 20


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("services")
    found = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        poster_meaning=False,
        max_body=MAX_BODY,
        recommender_max_body=MAX_BODY,
    )
    dataset = random_dataset()
    shelf = PosterStore.of(found, dataset.name)
    for row in range(12):
        shelf.put(f"m{row}", picture(row))
    train_dataset(found, dataset)
    return found


@pytest.fixture(scope="module")
def processes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Service, Process]]:
    """All services, and at the end: each stops cleanly, also while a connection is open."""
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        started: dict[Service, Process] = {name: Process(name, settings, logs / name) for name in SERVICES}
        for process in started.values():
            stack.callback(process.end)
        for process in started.values():
            process.wait()
        yield started
        for process in started.values():
            with httpx.Client(base_url=process.url) as idle:
                assert idle.get("/health").status_code == 200
                assert process.stop() == 0
            log = process.log.read_text()
            assert "Stopped." in log
            assert "Traceback" not in log


@pytest.fixture(params=SERVICES)
def process(request: pytest.FixtureRequest, processes: dict[Service, Process]) -> Process:
    return processes[request.param]


@pytest.fixture
def client(process: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, timeout=90) as opened:
        yield opened


def test_it_says_what_it_is_and_that_it_is_well(client: httpx.Client, process: Process) -> None:
    greeting = client.get("/").json()
    assert (greeting["service"] if isinstance(greeting, dict) else greeting) == GREETINGS[process.service]
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["status"] == "ready"
    assert client.get("/health").headers.get("server") is None
    assert client.head("/health").content == b""


def test_it_answers_by_its_own_names_only(client: httpx.Client) -> None:
    """A page of a site whose name points here (DNS rebinding) reads nothing."""
    for path in ("/health", "/", "/openapi.json"):
        answer = client.get(path, headers={"host": "rebound.example"})
        assert (answer.status_code, answer.headers["content-type"]) == (421, PROBLEM)
        assert "MATINEE_HOSTS" in answer.json()["detail"]
        assert client.get(path, headers={"host": "localhost:1"}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "https://other.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_pages_of_other_sites_change_nothing(client: httpx.Client, process: Process, headers: dict[str, str]) -> None:
    path = POSTS[process.service]
    refused = client.post(path, content=b"a form", headers=headers | {"content-type": "text/plain"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, PROBLEM)
    own = client.post(path, content=b"{", headers={"origin": process.url, "content-type": "application/json"})
    assert own.status_code == 400


def test_a_page_cannot_roll_back_what_is_served(processes: dict[Service, Process]) -> None:
    core = processes["core"].url
    served = httpx.get(f"{core}/v1/snapshots").json()
    answer = httpx.post(f"{core}/v1/snapshots/rollback", headers={"origin": "https://other.example"})
    assert answer.status_code == 403
    assert httpx.get(f"{core}/v1/snapshots").json() == served


def test_requests_are_counted(client: httpx.Client) -> None:
    client.get("/nope")
    text = client.get("/metrics").text
    assert re.search(r'matinee_requests_total\{method="GET",route="/health",status="200"\} [1-9]', text)
    assert re.search(r'matinee_requests_total\{method="GET",route="unknown path",status="404"\} [1-9]', text)


def test_answers_and_problems_name_their_request(client: httpx.Client) -> None:
    for path in ("/health", "/nope"):
        answer = client.get(path, headers={"x-request-id": "follow-me"})
        assert answer.headers.get_list("x-request-id") == ["follow-me"]
    assert answer.json()["request_id"] == "follow-me"


def test_every_error_is_a_problem_document(client: httpx.Client, process: Process) -> None:
    post = POSTS[process.service]
    json = {"content-type": "application/json"}
    for answer, status in (
        (client.get("/nope"), 404),
        (client.get("/%00/..%2f"), 404),
        (client.get(post), 405),
        (client.post(post, content=b"{", headers=json), 400),
        (client.post(post, content=b'{"\xff": 1}', headers=json), 400),
        (client.post(post, content=b"[" * 50_000, headers=json), 400),
        (client.post(post, json=7), 422),
        (client.post(post, content=b"x", headers={"content-type": "text/plain"}), 415),
        (client.post(post, content=bytes(2 * MAX_BODY), headers=json), 413),
        (client.post(post, content=(bytes(1 << 16) for _ in range(40)), headers=json), 413),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
        problem = answer.json()
        assert (problem["status"], problem["instance"]) == (status, answer.request.url.path)
        assert problem["detail"].endswith(".")
    assert client.get(post).headers["allow"] == "POST"


def test_documentation_loads_nothing_from_outside(client: httpx.Client) -> None:
    for path in ("/docs", "/redoc"):
        page = client.get(path)
        assert page.status_code == 200
        assert "http" not in re.sub(r"https?-equiv|http-equiv", "", page.text)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for asset in re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", page.text):
            assert client.get(f"/{asset}").status_code == 200
    document = client.get("/openapi.json").json()
    assert document["info"]["version"]
    assert {"/health", "/ready", "/metrics"} <= set(document["paths"])
    names = [route["operationId"] for methods in document["paths"].values() for route in methods.values()]
    assert len(names) == len(set(names))


def test_rubbish_and_broken_connections_do_not_end_it(client: httpx.Client, process: Process) -> None:
    post = POSTS[process.service].encode()
    head = b"POST " + post + b" HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for data in (
        b"\x16\x03\x01\x00\xff" * 60,
        b"GET / HTTP/9.9\r\n\r\n",
        head + b"content-length: nine\r\n\r\n123456789",
        head + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        head + b"content-length: 99999\r\n\r\n[1",
        b"A" * 2 * MAX_HEAD,
    ):
        with socket.create_connection(("127.0.0.1", process.port), timeout=90) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    received += part
            except OSError:  # it was refused while more was on its way
                pass
        assert b"HTTP/1.1 5" not in received
    assert client.get("/health").status_code == 200
    assert "Traceback" not in process.log.read_text()


def test_the_page_about_services_holds(processes: dict[Service, Process]) -> None:
    """Every route that it lists is there."""
    page = (Path(__file__).parents[2] / "docs" / "services.md").read_text(encoding="utf-8")
    served = set()
    for name in ("vectors", "encoder", "recommender"):
        paths = httpx.get(processes[name].url + "/openapi.json").json()["paths"]
        served |= {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    listed = {
        call for line in page.splitlines() if line.startswith("| `") for call in re.findall(r"`([A-Z]+ /\S+)`", line)
    }
    assert len(listed) == 19
    assert listed <= served


def test_two_recommending_processes_share_port_and_snapshot(settings: Settings, tmp_path: Path) -> None:
    with serving("recommender", settings.model_copy(update={"workers": 2}), tmp_path / "log") as process:
        body = {"historical": [[[1, 0], [0, 1]], [5, 1]], "prediction_embeddings": [[0, 1], [1, 0]], "movie_id": [1, 2]}
        snapshots = set()
        for _ in range(8):  # a connection each: the kernel deals them out to both workers
            assert httpx.post(process.url + "/recommend", json=body, timeout=90).json() == ["2", "1"]
            snapshots.add(httpx.get(process.url + "/v1/models", timeout=90).json()["snapshot"])
        assert len(snapshots) == 1
        text = httpx.get(process.url + "/metrics").text
        counts = re.findall(r'requests_total\{method="POST",route="/recommend",status="200"\} (\d+)', text)
        assert sum(map(int, counts)) == 8
        assert process.stop() == 0
    assert "Traceback" not in process.log.read_text()


def test_two_encoding_processes_share_port_and_numbers(settings: Settings, tmp_path: Path) -> None:
    with serving("encoder", settings.model_copy(update={"workers": 2}), tmp_path / "log") as process:
        for _ in range(12):  # a connection each: the kernel deals them out to both workers
            answer = httpx.post(process.url + "/generate", json=["storm"], timeout=90)
            assert answer.status_code in (200, 503)  # the other worker may still be loading
        text = httpx.get(process.url + "/metrics").text
        counts = re.findall(r'requests_total\{method="POST",route="/generate",status="\d+"\} (\d+)', text)
        assert sum(map(int, counts)) == 12, text
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(40) == 0
    assert "Traceback" not in process.log.read_text()
