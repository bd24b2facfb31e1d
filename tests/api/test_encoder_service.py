"""The encoder service in this process: classic and list-shaped forms, bad input, too much work, its description."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api_support import Client
from matinee.api import body_reader
from matinee.api.encoder import loading
from matinee.api.encoder.app import create_encoder_app
from matinee.api.encoder.bodies import MAX_CHARACTERS, MAX_IMAGES, MAX_TEXTS
from matinee.api.encoder.service import EncoderService
from matinee.api.work_queue import WorkQueue
from matinee.settings import Settings
from service_support import in_process
from tiny_models import IMAGE_DIM, TEXT_DIM, image_model, picture, text_folder

MAX_BODY = 600_000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("encoders")
    return Settings(
        data_dir=folder / "data",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        max_body=MAX_BODY,
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with in_process(create_encoder_app(settings)) as opened:
        yield opened


def embed_images(client: Client, contents: list[bytes], field: str = "images") -> httpx.Response:
    return client.post("/embed", files=[(field, ("a.jpg", content, "image/jpeg")) for content in contents])


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_generate_gives_an_object_of_texts(client: Client) -> None:
    texts = ["a storm", "the night", "a storm", " spaced "]
    answer = client.post("/generate", json=texts)
    assert answer.status_code == 200
    found = answer.json()
    assert list(found) == ["a storm", "the night", " spaced "]
    assert all(len(vector) == TEXT_DIM for vector in found.values())
    again = client.post("/embed", json={"texts": texts}).json()
    assert (again["dim"], len(again["vectors"])) == (TEXT_DIM, 4)
    np.testing.assert_array_equal(again["vectors"][1], found["the night"])
    assert again["vectors"][0] == again["vectors"][2]
    assert client.post("/generate", json=[]).json() == {}
    assert client.post("/embed", json={"texts": []}).json()["vectors"] == []


def test_images_come_as_files_or_in_base64(client: Client) -> None:
    pictures = [picture(seed) for seed in range(3)]
    files = embed_images(client, pictures)
    assert files.status_code == 200
    assert (files.json()["dim"], len(files.json()["vectors"])) == (IMAGE_DIM, 3)
    assert client.post("/embed", json={"images": [coded(one) for one in pictures]}).json() == files.json()
    assert embed_images(client, pictures[:1], "image").json()["vectors"] == files.json()["vectors"][:1]
    assert client.post("/embed", json={"images": []}).json()["vectors"] == []
    encoders = client.get("/encoders").json()
    assert [one["kind"] for one in encoders["items"]] == ["text", "image"]
    assert encoders["items"][1]["id"] == files.json()["encoder"]
    assert encoders["limits"]["bytes"] == MAX_BODY


@pytest.mark.parametrize(
    "texts",
    ["text", {"texts": ["a"]}, [1], [None], ["a" * (MAX_CHARACTERS + 1)], [["a"]], [True]],
    ids=lambda value: repr(value)[:20],
)
def test_bad_texts_are_refused(client: Client, texts: Any) -> None:
    assert client.post("/generate", json=texts).status_code == 422
    assert client.post("/embed", json={"texts": texts}).status_code == 422


def test_a_blank_text_has_a_vector_in_the_classic_form(client: Client) -> None:
    """It does not refuse the batch: earlier systems send the words of all films, of which some have none."""
    alone = client.post("/generate", json=["storm"]).json()
    found = client.post("/generate/", json=["", "storm", " \n", "a"]).json()
    assert list(found) == ["", "storm", " \n", "a"]
    assert found["storm"] == alone["storm"]
    assert found[""] == found[" \n"]
    assert np.linalg.norm(found[""]) == pytest.approx(1, abs=1e-5)
    assert found[""] not in (found["a"], found["storm"])
    assert client.post("/generate", json=[""]).json() == {"": found[""]}
    for blank in ([""], [" \n"], ["a", "\t"]):
        assert client.post("/embed", json={"texts": blank}).status_code == 422


def test_limits_are_named(client: Client) -> None:
    many = client.post("/generate", json=["a"] * (MAX_TEXTS + 1))
    assert (many.status_code, str(MAX_TEXTS) in many.json()["detail"]) == (422, True)
    long = client.post("/generate", json=["a" * (MAX_CHARACTERS + 1)])
    assert (long.status_code, str(MAX_CHARACTERS) in long.json()["detail"]) == (422, True)
    images = client.post("/embed", json={"images": ["AAAA"] * (MAX_IMAGES + 1)})
    assert (images.status_code, str(MAX_IMAGES) in images.json()["detail"]) == (413, True)
    assert embed_images(client, [b"x"] * (MAX_IMAGES + 1)).status_code == 413
    assert client.post("/embed", json={"texts": ["a" * 1000] * 1000}).status_code in (413, 422)
    assert embed_images(client, [bytes(20 << 20)]).status_code == 413


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (picture(1)[:150], 422),
        (picture(1, "PNG")[:-40], 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 415),
        (b"GIF89a" + bytes(50), 415),
        (b"%PDF-1.4", 415),
        (bytes(5000), 415),
        (bytes(MAX_BODY + 1), 413),
    ],
    ids=["empty", "cut JPEG", "cut PNG", "SVG", "GIF", "PDF", "zeros", "too large"],
)
def test_what_is_no_image_is_refused(client: Client, content: bytes, status: int) -> None:
    answer = embed_images(client, [content])
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    if len(content) < MAX_BODY / 2:
        assert client.post("/embed", json={"images": [coded(content)]}).status_code == status
        among = embed_images(client, [picture(1), content])
        assert (among.status_code, "Image 1" in among.json()["detail"]) == (status, True)
    assert embed_images(client, [picture(1)]).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"texts": ["a"], "images": ["AAAA"]}, {"text": ["a"]}, [], "a", {"images": ["***"]}, {"images": [7]}]
)
def test_bad_bodies_are_refused(client: Client, body: Any) -> None:
    assert client.post("/embed", json=body).status_code == 422


FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[", "application/json", 400),
        (b"[NaN]", "application/json", 422),
        (b'["\\ud800"]', "application/json", 400),
        (b"a", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (picture(1), "image/jpeg", 415),
        (b"", FORM, 422),
        (b"nonsense", FORM, 400),
        (b"", "multipart/form-data", 400),
        (PART, FORM, 400),
        (PART + b"abc", FORM, 400),
        (PART + b"\r\n--x--\r\n", FORM, 422),
        (PART.replace(b"images", b"other") + b"abc\r\n--x--\r\n", FORM, 422),
        (PART.replace(b"filename", b"other") + b"abc\r\n--x--\r\n", FORM, 422),
        (PART.replace(b"form-data;", b"\xff\xff;") + b"abc\r\n--x--\r\n", FORM, 415),
        (b"--x\r\n" + b"A: b\r\n" * 3000 + b"\r\nabc\r\n--x--\r\n", FORM, 400),
    ],
)
def test_bodies_that_cannot_be_read(client: Client, content: bytes, kind: str, status: int) -> None:
    answer = client.post("/embed", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_slow_bodies_are_not_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_reader, "BODY_SECONDS", 0.05)

    async def endless() -> Any:
        yield b"--x\r\n"
        await asyncio.sleep(30)

    for kind in ("application/json", FORM):
        answer = client.post("/embed", content=endless(), headers={"content-type": kind})
        assert answer.status_code == 408
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_encoder_that_is_off_says_so(settings: Settings) -> None:
    off = settings.model_copy(update={"text_encoder": "off"})
    with in_process(create_encoder_app(off)) as client:
        answer = client.post("/generate", json=["a"])
        assert answer.status_code == 503
        assert "MATINEE_TEXT_ENCODER" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "1"
        assert client.get("/encoders").json()["items"][0]["id"] is None
        assert embed_images(client, [picture(1)]).status_code == 200


def test_an_encoder_that_cannot_be_had_is_tried_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "RETRY", 0.02)
    path = tmp_path / "later.onnx"
    app = create_encoder_app(settings.model_copy(update={"image_encoder": str(path)}))
    with Client(app) as client, client._portal.wrap_async_context_manager(app.lifespan()):
        answer = client.get("/ready")
        assert (answer.status_code, "image encoder" in answer.text or "later.onnx" in answer.text) == (503, True)
        assert embed_images(client, [picture(1)]).status_code == 503
        image_model(tmp_path / "part.onnx").rename(path)
        while client.get("/ready").status_code != 200:
            pass
        assert embed_images(client, [picture(1)]).status_code == 200


def test_a_request_of_many_tasks_gives_others_a_turn_after_each() -> None:
    async def scene() -> list[str]:
        shop, done, held = WorkQueue(workers=64), [], threading.Event()
        assert shop.threads == 1

        def task(name: str) -> Callable[[], str]:
            def work() -> str:
                assert held.wait(90)
                done.append(name)
                return name

            return work

        many = asyncio.create_task(shop.run([task(f"many-{n}") for n in range(5)]))
        while not shop.pieces:
            await asyncio.sleep(0)
        others = [asyncio.create_task(shop.run([task(f"other-{n}")])) for n in range(2)]
        while shop.pieces < 7:
            await asyncio.sleep(0)
        held.set()
        assert [await other for other in others] == [["other-0"], ["other-1"]]
        assert await many == [f"many-{n}" for n in range(5)]
        assert shop.pieces == 0
        shop.close()
        return done

    assert asyncio.run(scene())[:4] == ["many-0", "other-0", "other-1", "many-1"]


def test_what_is_left_of_a_failed_or_abandoned_request_is_not_started() -> None:
    async def scene() -> list[int]:
        shop, done, held = WorkQueue(workers=64), [], threading.Event()

        def work(number: int) -> None:
            assert held.wait(90)
            done.append(number)
            if number == 0:
                raise ValueError

        failing = asyncio.create_task(shop.run([partial(work, number) for number in range(3)]))
        left = asyncio.create_task(shop.run([partial(work, 10), partial(work, 11)]))
        while shop.pieces < 5:
            await asyncio.sleep(0)
        left.cancel()
        held.set()
        with pytest.raises(ValueError):
            await failing
        with pytest.raises(asyncio.CancelledError):
            await left
        while shop.pieces:
            await asyncio.sleep(0)
        assert await shop.run([lambda: 5]) == [5]
        shop.close()
        return done

    assert set(asyncio.run(scene())) <= {0, 1}  # the task that had begun by then


def test_too_much_work_is_refused_and_forgotten(settings: Settings) -> None:
    """With the only thread held, a queue takes the four that fit and refuses the rest at once."""
    app = create_encoder_app(settings)
    service = app.service
    assert isinstance(service, EncoderService)
    with in_process(app) as client:
        shop = WorkQueue(workers=64, max_waiting=4)
        assert shop.threads == 1
        service.work_queue.close()
        service.work_queue = shop
        held = threading.Event()
        holding = client._portal.start_task_soon(shop.run, [lambda: held.wait(90)])
        while not shop.pieces:
            assert not holding.done()
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(embed_images(client, [picture(1)]).status_code)

        askers = [threading.Thread(target=ask) for _ in range(20)]
        for asker in askers:
            asker.start()
        while len(statuses) < 16:  # those that are refused have their answers while the others wait
            assert any(asker.is_alive() for asker in askers)
        assert set(statuses) == {503}
        held.set()
        for asker in askers:
            asker.join(90)
        assert holding.result(90) == [True]
        assert statuses.count(200) == 4
        assert client.get("/metrics").status_code == 200
        assert embed_images(client, [picture(1)]).status_code == 200
        assert shop.pieces == 0


def test_operation(client: Client) -> None:
    assert client.get("/").json() == "Hello from Embedding Generator"
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    assert client.post("/embed", json={"texts": []}).status_code == 200
    assert 'route="/embed",status="200"' in client.get("/metrics").text
    assert client.get("/generate").status_code == 405
    assert client.get("/docs").status_code == 200
    document = client.get("/openapi.json")
    assert set(document.json()["paths"]) == {"/generate", "/embed", "/encoders", "/health", "/metrics", "/ready"}
    assert not re.findall(r'"\$ref": ?"#/\$defs', document.text)
    for path in ("/generate", "/embed"):
        route = document.json()["paths"][path]["post"]
        assert set(route["responses"]) == {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503"}
        assert all(body["example"] for body in route["requestBody"]["content"].values())
