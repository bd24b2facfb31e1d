"""Mutated requests to all three services, in this process: no 5xx, every error a problem document, no hanging.

    python -m venv fuzz && fuzz/bin/pip install atheris -e .[dev]
    fuzz/bin/python tests/fuzz/fuzz_http.py -max_total_time=300 -max_len=400 -len_control=0 [corpus folder]

A crash is written to a file `crash-…`; give it as an argument to run it again. Needs Linux and Python 3.11 or 3.12.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["MATINEE_CONFIG"] = os.devnull

with atheris.instrument_imports(include=["matinee.api", "matinee.indexes", "matinee.encoders", "python_multipart"]):
    from matinee.api.app import create_app
    from matinee.api.encoder.app import create_encoder_app
    from matinee.api.vectors.app import create_vectors_app

from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset
from tiny_models import IMAGE_DIM, image_model, picture, text_folder

logging.disable(logging.CRITICAL)
SECONDS = 20
TYPES = [
    b"application/json",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data",
    b"image/jpeg",
    b"application/octet-stream",
    b"application/x-ndjson",
    b"application/x-www-form-urlencoded",
    b"text/plain; charset=\xff",
    b"",
]
LITTLE = ["0", "1", "-1", "u1", "m1", "m999", "1e9", "", "%00", "..", "é", "a" * 300, "10000000000000000000000", "true"]
IMAGES = [picture(1), picture(2, "PNG"), picture(3, "WEBP"), b"GIF89a", b"<svg/>", b""]
JSON = [b"NaN", b"-Infinity", b"1e999", b"[" * 2000, b'{"a":' * 200, b'"\\ud800"', b"\xff", b"1" * 5000, b"null", b"[]"]


def settings(folder: Path) -> Settings:
    """Small encoders, small limits, one trained snapshot."""
    found = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        poster_meaning=False,
        max_body=100_000,
        max_pixels=1_000_000,
    )
    dataset = random_dataset()
    for row in range(12):
        PosterStore.of(found, dataset.name).put(f"m{row}", picture(row))
    train_dataset(found, dataset)
    return found


class Target:
    """An application with the routes that its description names."""

    def __init__(self, app: Any, dim: int = 3) -> None:
        self.app = app
        self.routes: list[tuple[str, str, list[str], Any]] = []
        for path, methods in app.openapi()["paths"].items():
            for method, route in methods.items():
                names = [one["name"] for one in route.get("parameters", ()) if one["in"] == "query"]
                content = route.get("requestBody", {}).get("content", {}).get("application/json", {})
                example = content.get("example", content.get("schema", {}).get("example"))
                if "$ref" in content.get("schema", {}):
                    schema = app.openapi()["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                    example = (schema.get("examples") or [None])[0]
                self.routes.append((method.upper(), path, names, widened(example, dim)))


def widened(value: Any, dim: int) -> Any:
    """A JSON value with the three numbers of its vectors repeated to another length."""
    if isinstance(value, dict):
        return {key: widened(one, dim) for key, one in value.items()}
    if isinstance(value, list) and len(value) == 3 and all(isinstance(one, float) for one in value):
        return (value * dim)[:dim]
    return [widened(one, dim) for one in value] if isinstance(value, list) else value


def mutated(data: atheris.FuzzedDataProvider, value: Any, depth: int = 0) -> Any:
    """A JSON value like another, with some parts changed."""
    what = data.ConsumeIntInRange(0, 15)  # 0 once the bytes have run out: nothing more is changed then
    if what == 15:
        return data.PickValueInList([None, True, 0, -1, 10**9, 10**30, 1.5, 1e300, "", "x", [], {}, [[]], {"a": 1}])
    if what == 14:
        return data.ConsumeUnicodeNoSurrogates(20)
    if what == 13:
        return [value] * data.ConsumeIntInRange(0, 300)
    if what == 12 and isinstance(value, (int, float)):
        return data.ConsumeRegularFloat()
    if depth < 4 and isinstance(value, dict):
        found = {key: mutated(data, one, depth + 1) for key, one in value.items() if data.ConsumeIntInRange(0, 9) != 9}
        if data.ConsumeIntInRange(0, 9) == 9:
            found[data.PickValueInList(["k", "vector", "vectors", "allowed", "texts", "images", "raw", "zz"])] = 3
        return found
    if depth < 4 and isinstance(value, list):
        return [mutated(data, one, depth + 1) for one in value[:40]]
    return value


def body_of(data: atheris.FuzzedDataProvider, example: Any) -> tuple[bytes, bytes]:
    """A content type and a body."""
    what = data.ConsumeIntInRange(0, 5)
    if what <= 1 and example is not None:
        return TYPES[0], json.dumps(mutated(data, example)).encode("utf-8", "replace")
    if what == 2:
        name = data.PickValueInList(["images", "image", "other", "x" * 300, "\r\n", '"'])
        content = data.PickValueInList(IMAGES)
        place = data.ConsumeIntInRange(0, len(content))
        content = content[:place] + data.ConsumeBytes(8) + content[place + data.ConsumeIntInRange(0, 8) :]
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode()
        return TYPES[1], head + content + data.PickValueInList([b"\r\n--x--\r\n", b"\r\n--x\r\n", b"", b"--x--"])
    if what == 3:
        return data.PickValueInList(TYPES), data.PickValueInList(IMAGES)
    if what == 4:
        return TYPES[0], data.PickValueInList(JSON)
    return data.PickValueInList(TYPES), data.ConsumeBytes(data.ConsumeIntInRange(0, 400))


def word(data: atheris.FuzzedDataProvider) -> str:
    return data.PickValueInList(LITTLE) if data.ConsumeBool() else data.ConsumeUnicodeNoSurrogates(12)


def request_of(data: atheris.FuzzedDataProvider, target: Target) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An ASGI scope and the messages of its body."""
    method, path, names, example = data.PickValueInList(target.routes)
    if data.ConsumeIntInRange(0, 9) == 9:
        method = data.PickValueInList(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "x"])
    path = re.sub(r"\{\w+\}", lambda _: word(data), path)
    if data.ConsumeIntInRange(0, 19) == 19:
        path += data.ConsumeUnicodeNoSurrogates(6)
    query = "&".join(f"{name}={word(data)}" for name in names if data.ConsumeIntInRange(0, 3) == 3)
    kind, body = body_of(data, example)
    headers = [(b"host", b"x"), (b"content-type", kind)]
    if data.ConsumeIntInRange(0, 3) != 3:
        length = len(body) if data.ConsumeIntInRange(0, 9) != 9 else data.ConsumeInt(4)
        headers.append((b"content-length", str(length).encode()))
    if data.ConsumeIntInRange(0, 9) == 9:
        name = data.PickValueInList([b"accept", b"idempotency-key", b"if-none-match", b"if-modified-since", b"range"])
        headers.append((name, data.ConsumeBytes(12)))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": query.encode("utf-8", "replace"),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    pieces, messages = data.ConsumeIntInRange(1, 3), []
    size = max(1, -(-len(body) // pieces))
    for start in range(0, max(1, len(body)), size):
        more = start + size < len(body)
        messages.append({"type": "http.request", "body": body[start : start + size], "more_body": more})
    if data.ConsumeIntInRange(0, 19) == 19:
        messages[-1] = {"type": "http.disconnect"}
    return scope, messages


async def answer(target: Target, scope: dict[str, Any], messages: list[dict[str, Any]]) -> tuple[int, str, bytes]:
    """Status, media type and body of the answer."""
    waiting, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(target.app(scope, receive, send), SECONDS)
    start = next(one for one in sent if one["type"] == "http.response.start")
    body = b"".join(one.get("body", b"") for one in sent if one["type"] == "http.response.body")
    return start["status"], dict(start["headers"]).get(b"content-type", b"").decode("latin-1"), body


def main() -> None:
    folder = tempfile.TemporaryDirectory(prefix="matinee-fuzz-")
    given = settings(Path(folder.name))
    loop = asyncio.new_event_loop()
    targets = [
        Target(create_app(given)),
        Target(create_vectors_app(given), IMAGE_DIM),
        Target(create_encoder_app(given)),
    ]
    lives = [target.app.lifespan() for target in targets]
    for life in lives:
        loop.run_until_complete(life.__aenter__())
    while loop.run_until_complete(answer(targets[2], scope_of("/ready"), []))[0] != 200:
        loop.run_until_complete(asyncio.sleep(0.05))

    def one(raw: bytes) -> None:
        data = atheris.FuzzedDataProvider(raw)
        target = data.PickValueInList(targets)
        scope, messages = request_of(data, target)
        status, kind, body = loop.run_until_complete(answer(target, dict(scope), messages))
        fault = f"{status} {kind} {body[:300]!r} for {scope['method']} {scope['path']!r}?{scope['query_string']!r}"
        assert status < 500, fault
        if status >= 400 and scope["method"] != "HEAD":
            assert kind == "application/problem+json", fault
            assert json.loads(body)["status"] == status, fault

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


def scope_of(path: str) -> dict[str, Any]:
    """The scope of a plain GET."""
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}


if __name__ == "__main__":
    main()
