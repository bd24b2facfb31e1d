"""Services that are away, slow, killed, or something else than expected: what the remote adapters make of them."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matinee.errors import (
    ConflictError,
    EncoderError,
    InvalidInputError,
    MatineeError,
    MediaTypeError,
    NotFoundError,
    ServiceError,
    TooLargeError,
)
from matinee.remote import RemoteImageEncoder, RemoteIndex, RemoteTextEncoder
from matinee.remote.connection import Connection
from matinee.settings import Settings
from service_support import Process, free_port
from tiny_models import IMAGE_DIM, image_model, picture
from web_server import Handler, serve

VECTOR = np.ones((1, 3), dtype=np.float32)


def answer(status: int, document: object, kind: str = "application/json") -> Handler:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def send(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return send


def connection(url: str, timeout: float = 10) -> Connection:
    return Connection(url, timeout, service="encoder", start="matinee serve encoder", setting="X", failure=EncoderError)


def test_a_service_that_is_away() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for call in (
        lambda: RemoteTextEncoder(url).encode(["a"]),
        lambda: RemoteTextEncoder(url).id,
        lambda: RemoteImageEncoder(url).encode([b"x"]),
    ):
        with pytest.raises(EncoderError, match=r"does not answer.*matinee serve encoder.*MATINEE_ENCODER_URL"):
            call()
    with pytest.raises(ServiceError, match=r"does not answer.*matinee serve vectors.*MATINEE_VECTORS_URL"):
        RemoteIndex(url).search(VECTOR, 3)
    with pytest.raises(InvalidInputError, match="Text 1"):
        RemoteTextEncoder(url).encode(["a", " "])


@pytest.mark.parametrize("url", ["", "encoder:8001", "ftp://x", "http://", "http://[", "file:///etc/passwd"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(EncoderError, match="MATINEE_ENCODER_URL"):
        RemoteTextEncoder(url)
    with pytest.raises(ServiceError, match="MATINEE_VECTORS_URL"):
        RemoteIndex(url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInputError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, TooLargeError),
        (415, MediaTypeError),
        (422, InvalidInputError),
        (429, EncoderError),
        (500, EncoderError),
        (503, EncoderError),
    ],
)
def test_problem_documents_become_the_same_errors(status: int, kind: type[MatineeError]) -> None:
    document = {"type": "urn:matinee:problem:x", "status": status, "detail": "It was so. Do this."}
    with (
        serve(answer(status, document, "application/problem+json")) as url,
        pytest.raises(kind, match=r"It was so\. Do this\.") as raised,
    ):
        connection(url).ask("GET", "/x")
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "handler",
    [
        answer(200, b"<html>", "text/html"),
        answer(200, [1]),
        answer(404, b"Not Found", "text/plain"),
        answer(404, {"detail": "Not Found"}),
        answer(404, {"type": "about:blank", "detail": "Nothing is served here."}, "application/problem+json"),
        answer(502, b"Bad Gateway", "text/html"),
        answer(302, b""),
    ],
)
def test_another_kind_of_service(handler: Handler) -> None:
    with serve(handler) as url:
        with pytest.raises(EncoderError, match="not the encoder service"):
            RemoteTextEncoder(url).encode(["a"])
        with pytest.raises(ServiceError, match="not the vector service"):
            RemoteIndex(url).search(VECTOR, 3)


FACTS = {"limits": {"texts": 9, "characters": 9, "images": 9, "bytes": 999}}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"items": []},
        FACTS | {"items": [{"kind": "image", "id": "a", "dim": 3, "problem": None}]},
        FACTS | {"items": [{"kind": "text", "id": "a", "dim": None, "problem": None}]},
        {"items": [{"kind": "text", "id": "a", "dim": 3, "problem": None}], "limits": {}},
        FACTS | {"items": [{"kind": "text", "id": None, "dim": None, "problem": "It is being loaded."}]},
    ],
)
def test_answers_that_lack_something(facts: object) -> None:
    with serve(answer(200, facts)) as url, pytest.raises(EncoderError):
        RemoteTextEncoder(url).encode(["a"])


@pytest.mark.parametrize(
    "vectors", [None, [], [[1, 0]], [[1, 0, None]], [["a", "b", "c"]], [[1, 0, 0], [0, 1, 0]], [[1, 0, 1e999]]]
)
def test_vectors_that_are_none(vectors: object) -> None:
    encoder = RemoteTextEncoder("http://127.0.0.1:9")
    encoder._cached = encoder_facts()
    with pytest.raises(EncoderError, match="not the encoder service"):
        encoder._vectors({"encoder": "a", "dim": 3, "vectors": vectors}, 1)


def encoder_facts() -> object:
    from matinee.remote.encoders import _Facts

    return _Facts("a", 3, 9, 9, 9, 999)


def test_another_encoder_than_before_is_an_error_once() -> None:
    encoder = RemoteTextEncoder("http://127.0.0.1:9")
    encoder._cached = encoder_facts()
    with pytest.raises(EncoderError, match="runs 'b' now, not 'a'"):
        encoder._vectors({"encoder": "b", "dim": 3, "vectors": [[1, 0, 0]]}, 1)
    assert encoder._cached is None  # what it is now is asked for next time


def flaky(*faults: bool) -> tuple[Handler, Callable[[], int]]:
    """Breaks the connection where a fault is due, and counts."""
    calls = itertools.count()
    seen: list[int] = []

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        number = next(calls)
        seen.append(number)
        if number < len(faults) and faults[number]:
            request.connection.close()
            return
        answer(200, {"number": number})(request)

    return handle, lambda: len(seen)


def test_a_broken_connection_is_tried_once_more() -> None:
    handle, count = flaky(True, False, True, True, True)
    with serve(handle) as url:
        asking = connection(url)
        assert asking.ask("GET", "/x") == {"number": 1}
        with pytest.raises(EncoderError, match="does not answer"):
            asking.ask("GET", "/x")
        assert count() == 4
        with pytest.raises(EncoderError):
            asking.ask("GET", "/x", again=False)
        assert count() == 5


def test_a_slow_service_is_not_waited_for() -> None:
    asked, free = threading.Event(), threading.Event()

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.set()
        free.wait(90)

    with serve(handle) as url:
        with pytest.raises(EncoderError, match=r"did not answer within 0\.2 seconds"):
            connection(url, 0.2).ask("GET", "/x")
        assert asked.wait(90)
        free.set()


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Unicode"):
        connection("http://127.0.0.1:9").ask("POST", "/x", {"texts": ["\ud800"]})


def test_a_service_killed_in_the_middle_is_an_error_and_is_found_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, text_encoder="off", image_encoder=str(image_model(tmp_path / "fields.onnx")))
    service = Process("encoder", settings, tmp_path / "log")
    encoder = RemoteImageEncoder(service.url, timeout=20)
    stop = threading.Event()
    good: list[int] = []
    faults: list[MatineeError] = []
    others: list[BaseException] = []

    def ask() -> None:
        for _ in range(20_000):
            if stop.is_set():
                return
            try:
                good.append(encoder.encode([picture(1)] * 4).shape[1])
            except EncoderError as error:
                faults.append(error)
                stop.wait(0.05)  # the service starts again on these cores
            except BaseException as error:
                others.append(error)
                return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    try:
        service.wait()
        for asker in askers:
            asker.start()
        while len(good) < 20:
            assert not others
            time.sleep(0.005)
        service.kill()
        while not faults:
            assert not others
            time.sleep(0.005)
        # Nobody is told half an answer, and nobody waits for the time limit.
        assert all("does not answer" in str(fault) for fault in faults)
        service.start()
        service.wait()
        before = len(good)
        while len(good) < before + 20:
            assert not others
            time.sleep(0.005)
        stop.set()
        for asker in askers:
            asker.join(90)
        assert not others
        assert set(good) == {IMAGE_DIM}
        assert service.stop() == 0
        log = service.log.read_text()
        assert "Stopped." in log
        assert "Traceback" not in log
    finally:
        stop.set()
        if service.process.poll() is None:
            service.kill()
        encoder.close()
