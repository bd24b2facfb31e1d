"""The web app around its pages: pictures handed on, assets, the endpoint `open`, shared links, trouble in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from apps_support import N_PICTURES, Service
from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, ServiceError
from matinee.settings import Settings
from matinee.web.app import create_app
from matinee.web.core import AWAY, Core
from matinee.web.pages import PAGES
from matinee.web.shell import MAX_QUERY, address_of, params_of, trouble
from web_server import send, serve

Endpoint = Callable[..., list[Any]]


def get(web: Service, path: str, **options: Any) -> httpx.Response:
    return httpx.get(web.url + path, timeout=90, trust_env=False, **options)


# --- pictures and assets ---------------------------------------------------------------------------------------
def test_a_poster_is_the_core_s(web: Service, core: Service) -> None:
    mine = get(web, "/media/posters/1")
    its = httpx.get(f"{core.url}/v1/movies/1/poster", trust_env=False)
    assert (mine.status_code, mine.content) == (200, its.content)
    for name in ("content-type", "cache-control", "etag"):
        assert mine.headers[name] == its.headers[name]
    assert mine.headers["x-content-type-options"] == "nosniff"
    small = get(web, "/media/posters/1?size=small")
    assert small.status_code == 200
    assert small.content == httpx.get(f"{core.url}/v1/movies/1/poster?size=small", trust_env=False).content


def test_a_request_is_followed_to_the_core(core: Service) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append({name.lower(): value for name, value in request.headers.items()})
        send(b"a picture", kind="image/png")(request)

    async def ask(url: str) -> httpx.Response:
        app = create_app(Settings(core_url=url))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/media/posters/1", headers={"x-request-id": "poster-1"})

    async def ask_outside(url: str) -> None:
        client = Core(url)
        for _ in range(2):
            await client.send(calls.poster("1"))
        await client.close()

    with serve(answer) as url:
        assert asyncio.run(ask(url)).headers["x-request-id"] == "poster-1"
        asyncio.run(ask_outside(url))
    assert asked[0]["x-request-id"] == "poster-1"
    assert len({one["x-request-id"] for one in asked}) == len({one["traceparent"] for one in asked}) == 3


def test_a_poster_that_the_browser_has_is_not_sent_again(web: Service) -> None:
    first = get(web, "/media/posters/1?size=small")
    again = get(web, "/media/posters/1?size=small", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = get(web, "/media/posters/1?size=small", headers={"if-none-match": '"another"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_a_film_without_a_poster_has_a_drawn_card(web: Service) -> None:
    card = get(web, f"/media/posters/{N_PICTURES + 1}?size=small")
    assert card.status_code == 200
    assert card.headers["content-type"].startswith("image/")
    assert card.headers["x-matinee-poster"] == "card"


@pytest.mark.parametrize("film", ["nothing", "..", "%2E%2E", "a%2Fb", "..%2F..%2Fready", "%00", "x" * 3000, "1%3Fx"])
def test_a_poster_of_no_film_is_an_error_and_no_other_page_of_the_core(web: Service, film: str) -> None:
    answer = get(web, f"/media/posters/{film}")
    assert answer.status_code in (404, 422)
    assert "Traceback" not in answer.text


def test_assets_are_asked_for_again_each_time(web: Service) -> None:
    script = get(web, "/matinee/matinee.js")
    assert script.status_code == 200
    assert script.headers["cache-control"] == "no-cache"
    assert "javascript" in script.headers["content-type"]
    again = get(web, "/matinee/matinee.js", headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304
    assert get(web, "/matinee/..%2Fapp.py").status_code == 404
    assert get(web, "/matinee/").status_code == 404


def test_plotly_is_this_machine_s_own(web: Service) -> None:
    with httpx.stream("GET", web.url + "/plotly.min.js", trust_env=False) as answer:
        assert answer.status_code == 200
        assert "max-age" in answer.headers["cache-control"]
        assert b"plotly.js" in next(answer.iter_bytes(4096))


def test_the_page_names_no_other_machine_for_what_it_loads(web: Service) -> None:
    page = get(web, "/").text
    for word in ("fonts.googleapis", "cdn.", "cdnjs", "unpkg", "jsdelivr", "googletagmanager"):
        assert word not in page
    assert "matinee/matinee.js" in page


# --- endpoints -------------------------------------------------------------------------------------------------
def test_the_page_comes_packed_and_pictures_do_not(web: Service) -> None:
    plain = get(web, "/?tab=film&film=1", headers={"accept-encoding": "identity"})
    packed = get(web, "/?tab=film&film=1", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert 4 * int(packed.headers["content-length"]) < len(plain.content)
    assert "content-encoding" not in get(web, "/media/posters/1", headers={"accept-encoding": "gzip"}).headers


def test_every_endpoint_has_a_name(web: Service) -> None:
    info = get(web, "/gradio_api/info").json()
    assert {"/open", "/rate"} <= set(info["named_endpoints"])
    assert not info["unnamed_endpoints"]
    for name, endpoint in info["named_endpoints"].items():
        for parameter in endpoint["parameters"]:
            assert not parameter["parameter_name"].startswith("param_"), f"{name} has a parameter without a name"


@pytest.mark.parametrize("tab", PAGES)
def test_open_brings_every_page(call: Endpoint, tab: str) -> None:
    tabs, address, *_ = call("open", f"?tab={tab}", "1")
    assert tabs["selected"] == tab
    assert address == f"?tab={tab}"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?tab=",
        "?tab=nothing",
        "?tab=film&film=%00",
        "?tab=film&film=a%2Fb",
        "?tab=film&film=nothing&film=1",
        "?tab=for-you&user=%3Cscript%3Ealert(1)%3C/script%3E&n=abc&genre=%27%22%5C&years=-1&diversity=nan",
        "?tab=similar&title=%F0%9F%8E%AC&n=1e999&index=nothing&k=-5",
        "?tab=search&q=" + "x" * 10_000,
        "?tab=favourites&films=1,2,3,4,5,6,7,8,9,,,%ff&model=nothing",
        "?tab=match&k=99999999999999999999&film=..",
        "&&&===%%%&tab",
        "\ud800",
        None,
        42,
        {"tab": "film"},
        ["?tab=film"],
        True,
    ],
    ids=lambda query: repr(query)[:40],
)
def test_open_survives_any_address(call: Endpoint, query: object) -> None:
    tabs, *_ = call("open", query, "1")
    assert tabs["selected"] in PAGES


@pytest.mark.parametrize(
    "user", [None, "", "a/b", "../x", "<b>x</b>", "x" * 10_000, 7, ["a"], {"a": 1}, True, "\ud800"]
)
def test_open_survives_any_user(call: Endpoint, user: object) -> None:
    tabs, *_ = call("open", "?tab=for-you", user)
    assert tabs["selected"] == "for-you"


def test_open_tells_trouble_and_recovers(core: Service, call: Endpoint) -> None:
    core.stop()
    try:
        for tab in PAGES:
            tabs, *values = call("open", f"?tab={tab}&film=1&title=Heat&q=heat&user=1", "1")
            assert tabs["selected"] == tab
            if tab in ("for-you", "film", "search"):
                errors = [value["error"] for value in values if isinstance(value, dict) and value.get("error")]
                assert errors, f"{tab} shows no error"
                assert all("does not answer" in error["title"] and error["retry"] for error in errors)
    finally:
        core.start()
    for tab in PAGES:
        _, *values = call("open", f"?tab={tab}&film=1&title=Heat&q=heat&user=1", "1")
        assert not [value for value in values if isinstance(value, dict) and value.get("error")]


# --- addresses and words ---------------------------------------------------------------------------------------
def test_addresses_go_there_and_back() -> None:
    state = {"film": "a&b=c ü", "n": 5, "empty": "", "none": None, "list": [], "zero": 0, "no": False}
    address = address_of("film", state)
    assert params_of(address) == {"tab": "film", "film": "a&b=c ü", "n": "5", "zero": "0", "no": "False"}
    assert address_of("search") == "?tab=search"
    assert params_of("") == {}
    assert params_of("?a=1&a=2") == {"a": "2"}
    assert len(params_of("?q=" + "x" * 10_000)["q"]) == MAX_QUERY - 3


def test_trouble_in_friendly_words() -> None:
    down = trouble(ServiceError("The core service at http://x does not answer.", "Start it with `matinee`."))["error"]
    assert (down["title"], down["retry"]) == (AWAY, True)
    assert down["hint"] == "Nothing that you did is lost. Try again in a moment."
    fault = trouble(RefusedError(500, {"detail": "Something broke."}))["error"]
    assert (fault["hint"], fault["retry"]) == ("Something broke.", True)
    refused = trouble(RefusedError(404, {"detail": "There is no film 'x'."}))["error"]
    assert (refused["title"], refused["retry"]) == ("There is no film 'x'.", False)
    mine = trouble(InvalidInputError("n is too large.", "Choose less."))["error"]
    assert (mine["title"], mine["hint"]) == ("n is too large.", "Choose less.")
