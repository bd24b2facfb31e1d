"""What is recorded of requests: ids, logs, metrics, traces; of one application and across services."""

from __future__ import annotations

import gzip
import http.server
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from api_support import Client
from matinee._util import request_context
from matinee._util.logs import JsonFormatter
from matinee._util.request_context import RequestContext, background, current, outgoing_headers, stage
from matinee.api import create_app
from matinee.api.telemetry import Telemetry
from matinee.client import Client as CoreClient
from matinee.client import calls
from matinee.engine import Engine
from matinee.errors import EncoderError, InvalidInputError, MissingExtraError
from matinee.remote.connection import Connection
from matinee.settings import Settings
from server_support import running
from service_support import Process
from tiny_models import text_folder

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
LIST = "/v1/users/u1/recommendations"


# --- ids --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}?explain=true", "/v1/movies/m1", "/no/such/path", "/recommendations/u1"]
)
def test_an_answer_names_its_request_also_when_it_comes_from_the_cache(client: Client, path: str) -> None:
    for _ in range(2):
        assert client.get(path, headers={"x-request-id": "abc-1.2_Z"}).headers["x-request-id"] == "abc-1.2_Z"
        assert client.get(path, headers={"traceparent": PARENT}).headers["x-request-id"] == TRACE
    made = {client.get(path).headers["x-request-id"] for _ in range(4)}
    assert len(made) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", 'a"b', "a/b", "<b>", "é"])
def test_an_id_that_could_do_harm_in_a_log_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/health", headers={"x-request-id": given.encode("latin-1")})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_problem_documents_name_the_request(client: Client) -> None:
    for path in ("/no/such/path", "/v1/movies/nope", f"{LIST}?n=0"):
        answer = client.get(path, headers={"x-request-id": "q7"})
        assert (answer.json()["request_id"], answer.headers["x-request-id"]) == ("q7", "q7")
    large = client.put("/v1/movies/m1", content=bytes(9 << 20), headers={"x-request-id": "q8"})
    assert (large.status_code, large.json()["request_id"]) == (413, "q8")


@pytest.mark.parametrize(
    "header",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        "nonsense",
    ],
)
def test_a_traceparent_that_is_not_valid_begins_a_new_trace(header: str) -> None:
    context = RequestContext.of([(b"traceparent", header.encode()), (b"tracestate", b"a=1")])
    assert context.trace_id != TRACE
    assert (context.parent_id, context.tracestate) == ("", "")


def test_a_trace_goes_on() -> None:
    later = RequestContext.of([(b"traceparent", f"cc-{TRACE}-{SPAN}-02-what".encode()), (b"tracestate", b"a=1,b=2")])
    assert (later.trace_id, later.parent_id, later.flags, later.tracestate) == (TRACE, SPAN, 0, "a=1,b=2")
    assert outgoing_headers() == {}
    token = current.set(later)
    try:
        assert outgoing_headers() == {
            "x-request-id": TRACE,
            "traceparent": f"00-{TRACE}-{later.span_id}-00",
            "tracestate": "a=1,b=2",
        }
    finally:
        current.reset(token)
    assert later.span_id != SPAN


# --- across services --------------------------------------------------------------------------------------------
Received = list[tuple[str, dict[str, str], bytes]]


@contextmanager
def listening(answer: bytes = b"{}") -> Iterator[tuple[str, Received]]:
    """A server on a socket that takes everything and keeps it: path, headers, body."""
    received: Received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.append((self.path, headers, gzip.decompress(body) if headers.get("content-encoding") else body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST  # noqa: N815 - the library's names

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def test_connections_and_clients_send_the_ids_on() -> None:
    with listening() as (url, received), background() as context:
        asking = Connection(url, 10, service="x", start="x", setting="X", failure=EncoderError)
        asking.ask("POST", "/a", {"b": 1}, params={"c": 2})
        asking.close()
        with CoreClient(url) as client:
            client.send(calls.rate("u1", "m1", 4.0))
    assert [path for path, _, _ in received] == ["/a?c=2", "/v1/users/u1/ratings/m1"]
    for _, headers, _ in received:
        assert headers["x-request-id"] == context.request_id
        assert headers["traceparent"] == context.traceparent
        assert headers["content-type"] == "application/json"


def json_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_one_request_is_followed_through_two_services_by_their_logs(data_dir: Path, tmp_path: Path) -> None:
    from matinee.training.pipeline import train_dataset
    from support import random_dataset

    settings = Settings(
        data_dir=tmp_path / "trained",
        cache_dir=tmp_path / "cache",
        text_encoder=str(text_folder(tmp_path / "words")),
        image_encoder="off",
        log_format="json",
    )
    train_dataset(settings, random_dataset())
    with ExitStack() as stack:
        encoder = Process("encoder", settings, tmp_path / "encoder.log")
        stack.callback(encoder.end)
        core = Process("core", settings.model_copy(update={"encoder_url": encoder.url}), tmp_path / "core.log")
        stack.callback(core.end)
        encoder.wait()
        core.wait()
        headers = {"x-request-id": "follow-me", "traceparent": PARENT}
        params = {"q": "a storm at sea", "by": "meaning"}
        assert httpx.get(core.url + "/v1/search", params=params, headers=headers, timeout=90).status_code == 200
        assert httpx.get(core.url + LIST, headers={"x-request-id": "list-1"}, timeout=90).status_code == 200
        assert (core.stop(), encoder.stop()) == (0, 0)
    (asked,) = [one for one in json_lines(core.log) if one.get("request_id") == "follow-me"]
    assert (asked["service"], asked["route"], asked["status"]) == ("matinee-core", "/v1/search", 200)
    assert (asked["trace_id"], asked["method"], asked["level"]) == (TRACE, "GET", "info")
    assert asked["duration_ms"] > 0
    assert {"encode", "retrieve"} <= set(asked["stages_ms"])
    assert sum(asked["stages_ms"].values()) <= asked["duration_ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", asked["time"])
    encoded = [one for one in json_lines(encoder.log) if one.get("request_id") == "follow-me"]
    assert {"/embed", "/encoders"} == {one["route"] for one in encoded}
    assert {(one["service"], one["trace_id"]) for one in encoded} == {("matinee-encoder", TRACE)}
    (listed,) = [one for one in json_lines(core.log) if one.get("request_id") == "list-1"]
    assert listed["route"] == "/v1/users/{user_id}/recommendations"
    assert {"retrieve", "score", "rerank"} <= set(listed["stages_ms"])
    assert "u1" not in core.log.read_text()  # no user is named in a log
    # Every line of the services is JSON, uvicorn's too; the command itself says where it serves and that it stopped.
    assert any(one["logger"] == "uvicorn.error" for one in json_lines(core.log))


@pytest.mark.extended
def test_text_logs_have_a_line_for_a_request_where_that_is_asked_for(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in (("auto", 0), ("on", 1)):
        monkeypatch.setenv("MATINEE_LOG_REQUESTS", name)
        log = tmp_path / name
        first = f"import os; os.environ['MATINEE_LOG_REQUESTS'] = {name!r}"
        with running(data_dir, log, first=first) as server:
            assert httpx.get(server.url + LIST, headers={"x-request-id": "see-me"}).status_code == 200
            assert server.stop() == 0
        found = [line for line in log.read_text().splitlines() if "see-me" in line]
        assert len(found) == lines
        assert all(
            re.search(r"GET /v1/users/\{user_id\}/recommendations 200 [\d.]+ ms see-me$", line) for line in found
        )


def test_the_log_of_a_fault_names_the_request(data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = """
from matinee.engine import Engine
def broken(*_): raise RuntimeError("a fault")
Engine.history = broken
import os; os.environ['MATINEE_LOG_FORMAT'] = 'json'
"""
    with running(data_dir, tmp_path / "log", first=first) as server:
        answer = httpx.get(server.url + "/v1/users/u1/ratings", headers={"x-request-id": "faulty"})
        assert (answer.status_code, answer.json()["request_id"], answer.headers["x-request-id"]) == (
            500,
            *["faulty"] * 2,
        )
        server.stop()
    (fault,) = [one for one in json_lines(tmp_path / "log") if "exception" in one]
    assert (fault["request_id"], fault["level"]) == ("faulty", "error")
    assert "RuntimeError: a fault" in fault["exception"]


def test_json_lines_hold_what_cannot_be_text() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "é \n %s", ("\ud800",), None)
    record.fields = {"path": Path("a")}
    line = JsonFormatter("matinee-core").format(record)
    assert "\n" not in line
    assert json.loads(line)["path"] == "a"


# --- metrics ----------------------------------------------------------------------------------------------------
def sample(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(re.escape(name) + "[ {]", line))


def test_stages_ages_and_the_backlog_are_measured(client: Client, engine: Engine) -> None:
    client.get(LIST)
    client.get("/v1/search?q=Story&by=title")
    client.put("/v1/users/u1/ratings/m1", json={"rating": 4})
    client.get(LIST)
    text = client.get("/metrics").text
    for name in ("retrieve", "score", "rerank", "store"):
        assert sample(text, f'matinee_stage_seconds_count{{stage="{name}"}}') >= 1, name
    assert 0 <= sample(text, "matinee_snapshot_age_seconds") < 86_400  # made for this run of the tests
    newest = int(engine.request_view().snapshot.ratings.times.max())
    assert sample(text, "matinee_model_age_seconds") == pytest.approx(time.time() - newest, abs=60)
    assert 'matinee_embedding_backlog{kind="text"} 0.0' in text


def test_stages_outside_of_a_request_are_nobodys() -> None:
    with stage("score"):
        pass
    with background() as context, stage("score"):
        pass
    assert context.stages is None
    seen: list[tuple[str, float]] = []
    with background(lambda name, seconds: seen.append((name, seconds))) as context:
        with pytest.raises(ValueError), stage("encode"):
            raise ValueError("it is measured all the same")
        context.stages = []  # as of a request: recorded with its answer, not twice
        with pytest.raises(ValueError), stage("score"):
            raise ValueError("it is measured all the same")
    assert [name for name, _ in seen] == ["encode"]
    assert [name for name, _, _ in context.stages] == ["score"]


def test_gauges_of_several_workers_are_one_number(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log", workers=2) as server:
        for number in range(12):  # a connection each, dealt out to both workers
            httpx.get(f"{server.url}/v1/users/u{number}/recommendations", timeout=90)
            text = httpx.get(server.url + "/metrics", timeout=90).text
        for name in ("matinee_snapshot_age_seconds", "matinee_model_age_seconds"):
            assert len(re.findall(f"^{name}", text, re.MULTILINE)) == 1
        assert 'matinee_embedding_backlog{kind="text"} 0.0' in text
        assert sample(text, 'matinee_stage_seconds_count{stage="score"}') == 12
        assert "pid=" not in text


# --- traces -----------------------------------------------------------------------------------------------------
def spans_of(received: Received) -> list[tuple[str, Any]]:
    """Service and span of everything received."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for path, _, body in received:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            found += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
    return found


@pytest.fixture
def traced(data_dir: Path) -> Iterator[Callable[[str], Client]]:
    with ExitStack() as stack:

        def make(url: str) -> Client:
            return stack.enter_context(Client(create_app(Settings(data_dir=data_dir, telemetry=url))))

        yield make


def test_a_request_and_its_stages_are_spans_of_the_callers_trace(traced: Callable[[str], Client]) -> None:
    with listening(b"") as (url, received):
        client = traced(url)
        for path in (LIST, "/v1/movies/nope"):
            client.get(path, headers={"traceparent": PARENT, "x-request-id": "r1"})
        client.get("/v1/movies/m1", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})  # the caller wants no record
        client.get("/v1/movies/m2")

        async def live() -> None:
            async with client.app.lifespan():
                pass

        anyio.run(live)  # at the end the rest is sent
    spans = spans_of(received)
    assert {service for service, _ in spans} == {"matinee-core"}
    ours = [span for _, span in spans if span.trace_id.hex() == TRACE]
    asked = {span.name: span for span in ours if span.parent_span_id.hex() == SPAN}
    assert set(asked) == {"GET /v1/users/{user_id}/recommendations", "GET /v1/movies/{movie_id}"}
    listed = asked["GET /v1/users/{user_id}/recommendations"]
    within = {span.name: span for span in ours if span.parent_span_id == listed.span_id}
    assert {"retrieve", "score", "rerank"} <= set(within)
    for span in within.values():
        assert listed.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= listed.end_time_unix_nano
    attributes = {one.key: one.value for one in listed.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["matinee.request_id"].string_value == "r1"
    (root,) = [span for _, span in spans if span.name == "GET /v1/movies/{movie_id}" and span.trace_id.hex() != TRACE]
    assert root.parent_span_id == b""


def test_a_receiver_of_traces_that_is_away_disturbs_nobody(traced: Callable[[str], Client]) -> None:
    client = traced("http://127.0.0.1:9")
    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize("url", ["collector:4318", "ftp://x", "http://", "http://h:99999"])
def test_an_endpoint_that_is_none_is_said(url: str, data_dir: Path) -> None:
    with pytest.raises(InvalidInputError, match="MATINEE_TELEMETRY"):
        create_app(Settings(data_dir=data_dir, telemetry=url))


def test_an_endpoint_may_name_its_path() -> None:
    from matinee.api.telemetry import _endpoint

    assert _endpoint("http://h:4318") == _endpoint("http://h:4318/") == "http://h:4318/v1/traces"
    assert _endpoint("https://h/otlp/v1/traces") == "https://h/otlp/v1/traces"


def test_a_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import matinee._util.extras

    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(matinee._util.extras, "find_spec", nothing)
    with pytest.raises(MissingExtraError, match=r"Sending traces needs matinee\[telemetry\]"):
        Telemetry("http://127.0.0.1:9", "x")


def test_ids_are_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_context, "_bits", lambda _: 0)
    context = RequestContext()
    assert (int(context.trace_id, 16), int(context.span_id, 16)) == (1, 1)


def test_services_have_names_of_their_own_in_logs_and_traces() -> None:
    from matinee.api.encoder.service import EncoderService
    from matinee.api.recommender.service import RecommenderService
    from matinee.api.serve import SERVICES
    from matinee.api.service import CoreService
    from matinee.api.vectors.service import VectorService

    named = {kind.name for kind in (CoreService, VectorService, EncoderService, RecommenderService)}
    assert named == {f"matinee-{service}" for service in SERVICES}
