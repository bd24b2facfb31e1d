"""What of Gradio is open: no file of this machine, no link, no route that the app does not need, no endless body."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps_support import Service, serving

META = {"_type": "gradio.FileData"}
SECRET = "a-secret-of-this-machine"
ENDLESS = 2 << 20


def post(web: Service, path: str, body: bytes, kind: str = "application/json") -> httpx.Response:
    headers = {"content-type": kind}
    return httpx.post(f"{web.url}/gradio_api/{path}", content=body, headers=headers, timeout=60, trust_env=False)


def run(web: Service, name: str, values: list[Any], session: str | None = None) -> httpx.Response:
    return post(web, f"run/{name}", json.dumps({"data": values, "session_hash": session}).encode())


def uploaded(web: Service, body: bytes = b"a picture") -> Path:
    files = {"files": ("poster.jpg", body)}
    answer = httpx.post(f"{web.url}/gradio_api/upload", files=files, trust_env=False)
    return Path(answer.raise_for_status().json()[0])


@pytest.fixture(scope="module")
def endpoints(web: Service) -> dict[str, int]:
    """Every named endpoint and how many values it takes."""
    info = httpx.get(f"{web.url}/gradio_api/info", trust_env=False).json()["named_endpoints"]
    return {name.lstrip("/"): len(endpoint["parameters"]) for name, endpoint in info.items()}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / f"{SECRET}.txt"
    file.write_text("nobody may read this")
    return file


@pytest.mark.parametrize("nested", [False, True])
def test_no_endpoint_copies_a_file_of_this_machine(
    web: Service, endpoints: dict[str, int], secret: Path, nested: bool
) -> None:
    reference: Any = {"path": str(secret), "meta": META}
    uploads = uploaded(web).parent.parent
    for name, count in endpoints.items():
        answer = run(web, name, [[reference] if nested else reference] * count)
        assert answer.status_code == 200, f"{name}: {answer.text}\n{web.told()}"
        assert "gradio_api/file" not in answer.text
    assert not list(uploads.rglob(f"*{SECRET}*"))
    queued = {"data": [{"path": str(secret), "meta": META}, 5], "session_hash": "queued"}
    assert post(web, "call/match", json.dumps(queued).encode()).status_code == 200
    assert not list(uploads.rglob(f"*{SECRET}*"))


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/poster.jpg", "HTTPS://example.invalid/poster.jpg"])
@pytest.mark.parametrize("session", [None, "links"])
def test_a_link_in_place_of_a_picture_is_not_fetched(web: Service, link: str, session: str | None) -> None:
    for reference in ({"path": link, "meta": META}, {"path": link, "url": link, "meta": META}, {"path": link}):
        answer = run(web, "match", [reference, 5], session)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"][0]["error"]["title"] == "A link is not a picture."


@pytest.mark.parametrize(
    "path",
    [
        "file=http://example.invalid/",
        "file=/etc/hostname",
        "file%3D/etc/hostname",
        "file/etc/hostname",
        "proxy=http://example.invalid/",
        "stream/a/b/1/playlist-file",
        "deep_link?session_hash=a",
        "vibe-code",
        "component_server",
        "process_recording",
    ],
)
def test_what_the_app_does_not_need_is_closed(web: Service, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = httpx.request(method, f"{web.url}/gradio_api/{path}", trust_env=False)
        assert answer.status_code == 404


def test_an_upload_is_not_handed_out(web: Service) -> None:
    path = uploaded(web)
    assert path.exists()
    assert httpx.get(f"{web.url}/gradio_api/file={path}", trust_env=False).status_code == 404


def test_uploads_end_with_the_app(core: Service, tmp_path: Path) -> None:
    with serving(["web"], "/health", tmp_path, {"MATINEE_CORE_URL": core.url}) as web:
        path = uploaded(web)
        assert path.read_bytes() == b"a picture"
    assert not path.exists()
    assert not path.parent.parent.exists()


def test_bodies_have_an_end(web: Service) -> None:
    assert post(web, "run/open", b" " * ENDLESS).status_code == 413
    assert post(web, "queue/join", b" " * ENDLESS).status_code == 413
    unknown = httpx.post(f"{web.url}/gradio_api/run/open", content=iter([b"{}"]), trust_env=False)
    assert unknown.status_code == 411


@pytest.mark.parametrize(
    ("value", "session"),
    [
        (None, None),
        ("\ud800\0", "anything"),
        ({"path": 3, "meta": "y"}, "anything"),
        *(
            pytest.param(*pair, marks=pytest.mark.extended)
            for pair in (
                (-1, "anything"),
                (10**30, None),
                (float("nan"), None),
                ("x" * 100_000, None),
                ("a/b", None),
                ({"a": {"b": [None]}}, None),
            )
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_every_endpoint_takes_anything(
    web: Service, endpoints: dict[str, int], value: object, session: str | None
) -> None:
    for name, count in endpoints.items():
        for values in ([value] * count, ["1", *[value] * (count - 1)]):
            answer = run(web, name, values, session)
            assert answer.status_code == 200, f"{name}: {answer.text}\n{web.told()[-3000:]}"


def test_the_app_answers_by_its_own_names_only(web: Service) -> None:
    for path in ("/", "/health", "/gradio_api/info"):
        answer = httpx.get(f"{web.url}{path}", headers={"host": "rebound.example"}, trust_env=False)
        assert (answer.status_code, "MATINEE_HOSTS" in answer.json()["detail"]) == (421, True)


@pytest.mark.parametrize("headers", [{"origin": "https://other.example"}, {"sec-fetch-site": "cross-site"}])
def test_pages_of_other_sites_call_nothing(web: Service, headers: dict[str, str]) -> None:
    body = json.dumps({"data": ["42", "1", 5]}).encode()
    url = f"{web.url}/gradio_api/call/rate"
    refused = httpx.post(url, content=body, headers=headers | {"content-type": "text/plain"}, trust_env=False)
    assert refused.status_code == 403
    own = {"origin": web.url, "sec-fetch-site": "same-origin", "content-type": "application/json"}
    assert httpx.post(url, content=body, headers=own, trust_env=False).status_code == 200


@pytest.mark.parametrize("name", ["none", "%25s", "%E2%80%AE", "Infinity"])
@pytest.mark.parametrize("way", ["call", "run", "api"])
def test_an_endpoint_that_is_not_there(web: Service, way: str, name: str) -> None:
    answer = post(web, f"{way}/{name}", b'{"data": []}')
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


def test_what_runs_in_the_browser_only_is_not_called(web: Service) -> None:
    config = httpx.get(f"{web.url}/config", trust_env=False).json()
    numbers = [one["id"] for one in config["dependencies"] if not one["backend_fn"]]
    assert numbers
    before, end = web.log.stat().st_size, time.monotonic() + 90
    for number in numbers:
        answer = post(web, "run/predict", json.dumps({"data": [], "fn_index": number}).encode())
        assert (answer.status_code, answer.json()["status"]) == (400, 400)
        queued = json.dumps({"data": [], "fn_index": number, "session_hash": "queued"}).encode()
        assert post(web, "queue/join", queued).status_code == 200
    while web.log.read_bytes()[before:].count(b"runs in the browser") < 2 * len(numbers):
        assert time.monotonic() < end, web.told()
        time.sleep(0.05)
    assert "Traceback" not in web.log.read_bytes()[before:].decode(errors="replace")


@pytest.mark.parametrize("path", ["queue/data?session_hash=nobody", "call/film/none"])
def test_events_of_what_is_not_there_are_no_failure(web: Service, path: str) -> None:
    before = web.log.stat().st_size
    with contextlib.suppress(httpx.RemoteProtocolError):
        httpx.get(f"{web.url}/gradio_api/{path}", timeout=90, trust_env=False)
    told = web.log.read_bytes()[before:].decode(errors="replace")
    assert "Traceback" not in told
    assert httpx.get(f"{web.url}/health", trust_env=False).status_code == 200


@pytest.mark.parametrize("name", ["x" * 300, "%C3%A9" * 200, "x/" * 3000 + "x"], ids=["long", "long in bytes", "deep"])
@pytest.mark.parametrize("folder", ["static", "assets", "svelte", "matinee"])
def test_names_that_are_too_long_for_a_file(web: Service, folder: str, name: str) -> None:
    assert httpx.get(f"{web.url}/{folder}/{name}", trust_env=False).status_code == 404


def test_a_session_whose_name_is_no_text_harms_nobody(web: Service) -> None:
    before = web.log.stat().st_size
    for session in ("\udfff\ud800", None, None):
        body = json.dumps({"data": ["42"], "session_hash": session}).encode()
        event = post(web, "call/users", body).json()["event_id"]
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"{web.url}/gradio_api/call/users/{event}", timeout=90, trust_env=False)
            assert session is not None or "event: complete" in answer.text
    assert b"UnicodeEncodeError" not in web.log.read_bytes()[before:]


@pytest.mark.parametrize("size", ["", "/192", "/-1", "/x"])
def test_there_is_no_icon_of_an_installed_app(web: Service, size: str) -> None:
    assert httpx.get(f"{web.url}/pwa_icon{size}", trust_env=False).status_code == 404
