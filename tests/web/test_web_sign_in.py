"""Signing in to the web app: nothing without a session, no way to another site, no guessing, the end of a session."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from apps_support import Service, serving
from matinee.access.sign_in import GUESSES
from matinee.web.sessions import COOKIE
from matinee.web.sign_in import WRONG, safe_target

PASSWORD = "four random words, long"
OPEN, SHORT = {"MATINEE_HOST": "0.0.0.0"}, {"MATINEE_WEB_PASSWORD": "short"}
HTML = {"accept": "text/html,application/xhtml+xml"}
OPEN_PATHS = {"/health", "/sign-in", "/sign-out", "/matinee/icon.svg", "/manifest.json"}


@pytest.fixture(scope="module")
def guarded(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web app with a password."""
    folder = tmp_path_factory.mktemp("guarded")
    environment = {
        "MATINEE_CORE_URL": core.url,
        "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"],
        "MATINEE_DATA_DIR": str(folder / "data"),
        "MATINEE_WEB_PASSWORD": PASSWORD,
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
    }
    with serving(["web"], "/health", folder, environment) as service:
        yield service


_addresses = iter(range(1, 250))


@pytest.fixture
def visitor(guarded: Service) -> Iterator[httpx.Client]:
    """A visitor with an address of its own, as a proxy on this machine tells it."""
    headers = {"x-forwarded-for": f"192.0.2.{next(_addresses)}"}
    with httpx.Client(base_url=guarded.url, headers=headers, timeout=90, trust_env=False) as client:
        yield client


def sign_in(visitor: httpx.Client, password: str = PASSWORD, **fields: str) -> httpx.Response:
    return visitor.post("/sign-in", data={"password": password, **fields}, headers=HTML)


def paths(client: httpx.Client) -> list[str]:
    """Paths of each kind of route that the app answers to who has signed in."""
    named = client.get("/gradio_api/info").raise_for_status().json()["named_endpoints"]
    fixed = ["/", "/config", "/theme.css", "/gradio_api/info", "/gradio_api/upload", "/gradio_api/queue/join"]
    own = ["/media/posters/1", "/media/map/content", "/plotly.min.js", "/matinee/matinee.js", "/nowhere"]
    calls = [f"/gradio_api/{kind}{name}" for name in named for kind in ("run", "call")]
    return [*fixed, "/gradio_api/queue/data?session_hash=a", "/gradio_api/heartbeat/a", *own, *calls]


def test_without_a_session_nothing_is_answered(guarded: Service, visitor: httpx.Client) -> None:
    assert sign_in(visitor).status_code == 303
    every = paths(visitor)
    visitor.cookies.clear()
    for path in every:
        for method in ("GET", "POST", "PUT", "HEAD"):
            answer = visitor.request(method, path, json={"data": []} if method == "POST" else None)
            assert answer.status_code == 401 or (method in ("POST", "PUT") and answer.status_code == 411), (
                method,
                path,
            )
            if method == "GET":
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == 401
    for path in ("/health", "/sign-in", "/matinee/icon.svg", "/manifest.json"):
        assert visitor.get(path).status_code == 200, path


def test_browsers_are_led_to_the_page_and_back(visitor: httpx.Client) -> None:
    answer = visitor.get("/?tab=film&film=1", headers=HTML)
    target = urlsplit(answer.headers["location"])
    assert (answer.status_code, target.path, parse_qs(target.query)) == (
        303,
        "/sign-in",
        {"next": ["/?tab=film&film=1"]},
    )
    page = visitor.get(answer.headers["location"])
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert 'name="next" value="/?tab=film&amp;film=1"' in page.text
    entered = sign_in(visitor, next="/?tab=film&film=1")
    assert (entered.status_code, entered.headers["location"]) == (303, "/?tab=film&film=1")
    assert visitor.get("/?tab=film&film=1", headers=HTML).status_code == 200
    assert visitor.get("/sign-in?next=/x").headers["location"] == "/x"
    called = visitor.post("/gradio_api/run/users", json={"data": [""]})
    assert called.status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test/",
        "https://evil.test/",
        "/\\evil.test",
        "\\/evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "javascript:alert(1)",
        "///evil.test",
        "http:evil.test",
        "evil.test",
        "",
        "/sign-out",
        "/" + "a" * 5000,
        "/\r\nset-cookie: a=b",
        "//[evil",
    ],
)
def test_no_way_to_another_site(visitor: httpx.Client, target: str) -> None:
    assert safe_target(target) == "/"
    answer = sign_in(visitor, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert visitor.get("/sign-in", params={"next": target}).headers["location"] == "/"


def test_the_path_that_was_wanted_is_no_other_site(guarded: Service, visitor: httpx.Client) -> None:
    answer = visitor.get(f"{guarded.url}//evil.test/a", headers=HTML)
    assert answer.headers["location"] == "/sign-in?next=/"


def test_a_wrong_password(visitor: httpx.Client) -> None:
    answer = sign_in(visitor, "wrong", next="/?tab=film")
    assert (answer.status_code, WRONG in answer.text) == (401, True)
    assert 'aria-describedby="fault"' in answer.text
    assert "set-cookie" not in answer.headers
    assert 'value="/?tab=film"' in answer.text
    for body in (b"", b"password", b"\xff\xfe", b"password=" + b"a" * 20_000, b"&" * 5000):
        headers = {**HTML, "content-type": "application/x-www-form-urlencoded"}
        assert visitor.post("/sign-in", content=body, headers=headers).status_code == 401


def test_what_is_written_into_the_page_is_text(visitor: httpx.Client) -> None:
    page = visitor.get("/sign-in", params={"next": '/"><script>alert(1)</script>'}).text
    assert "<script" not in page


def test_guessing_is_limited_by_address(guarded: Service, visitor: httpx.Client) -> None:
    answers = [sign_in(visitor, f"guess {number}").status_code for number in range(GUESSES + 2)]
    assert answers[:GUESSES] == [401] * GUESSES
    assert answers[-1] == 429
    late = sign_in(visitor)
    assert (late.status_code, int(late.headers["retry-after"]) >= 1, "too many" in late.text) == (429, True, True)
    other = {"x-forwarded-for": "198.51.100.7"}
    answer = httpx.post(f"{guarded.url}/sign-in", data={"password": PASSWORD}, headers=other, trust_env=False)
    assert answer.status_code == 303


def test_the_cookie(visitor: httpx.Client) -> None:
    parts = sign_in(visitor).headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} <= set(parts)
    assert "secure" not in parts
    answer = visitor.post("/sign-in", data={"password": PASSWORD}, headers={"x-forwarded-proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower().split("; ")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_a_forged_or_changed_cookie_opens_nothing(visitor: httpx.Client) -> None:
    sign_in(visitor)
    value = visitor.cookies[COOKIE]
    body, time, signature = value.split(".")
    visitor.cookies.clear()
    forged = [
        f"{body}.{time}.{'A' * len(signature)}",
        f"{body}A.{time}.{signature}",
        "",
        ".",
        "e30.a.b",
        "é",
        value[:-1],
    ]
    for wrong in forged:
        cookie = f"{COOKIE}={wrong}".encode()
        assert visitor.get("/gradio_api/info", headers={b"cookie": cookie}).status_code == 401, wrong
    several = f"other=1; {COOKIE}=of-another-app; {COOKIE}={value}"
    assert visitor.get("/gradio_api/info", headers={"cookie": several}).status_code == 200


def test_signing_out_ends_the_session_for_who_copied_it_too(visitor: httpx.Client) -> None:
    sign_in(visitor)
    copied = visitor.cookies[COOKIE]
    answer = visitor.post("/sign-out", content=b"")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in visitor.cookies
    assert visitor.get("/gradio_api/info", headers={"cookie": f"{COOKIE}={copied}"}).status_code == 401


def test_a_foreign_page_can_neither_sign_in_nor_out(visitor: httpx.Client) -> None:
    sign_in(visitor)
    foreign = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
    for path in ("/sign-in", "/sign-out"):
        assert visitor.post(path, data={"password": PASSWORD}, headers=foreign).status_code == 403
    assert visitor.get("/gradio_api/info").status_code == 200


def test_sessions_outlive_a_restart_and_end_with_the_password(guarded: Service, visitor: httpx.Client) -> None:
    key = Path(guarded.environment["MATINEE_DATA_DIR"]) / "web-session.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    sign_in(visitor)
    guarded.stop()
    guarded.start()
    assert visitor.get("/gradio_api/info").status_code == 200
    guarded.stop()
    guarded.environment["MATINEE_WEB_PASSWORD"] = "another password"
    try:
        guarded.start()
        assert visitor.get("/gradio_api/info").status_code == 401
    finally:
        guarded.stop()
        guarded.environment["MATINEE_WEB_PASSWORD"] = PASSWORD
        guarded.start()


@pytest.mark.parametrize(
    ("app", "environment", "said"),
    [
        ("web", OPEN, "nobody has to sign in"),
        ("studio", SHORT, "fewer than 8 characters"),
        pytest.param("studio", OPEN, "nobody has to sign in", marks=pytest.mark.extended),
        pytest.param("web", SHORT, "fewer than 8 characters", marks=pytest.mark.extended),
    ],
)
def test_it_does_not_start_open_to_other_machines(
    app: str, environment: dict[str, str], said: str, core: Service
) -> None:
    given = {**core.environment, **environment, "MATINEE_CORE_URL": core.url}
    ended = subprocess.run(
        [sys.executable, "-m", "matinee", app, "--port", "0"], env=given, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1 or ended.returncode == 2
    told = " ".join((ended.stdout + ended.stderr).split())
    assert said in told
    assert "Traceback" not in told


@pytest.mark.extended
def test_insecure_says_that_it_is_meant(core: Service, tmp_path: Path) -> None:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_HOST": "0.0.0.0", "MATINEE_INSECURE": "1"}
    with serving(["web"], "/health", tmp_path, environment) as web:
        assert httpx.get(f"{web.url}/gradio_api/info", trust_env=False).status_code == 200


def test_security_headers_of_the_app(web: Service) -> None:
    with httpx.Client(base_url=web.url, trust_env=False) as http:
        for path in (
            "/",
            "/health",
            "/media/posters/1",
            "/matinee/matinee.js",
            "/gradio_api/info",
            "/gradio_api/file=x",
        ):
            headers = http.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
            assert "camera=()" in headers["permissions-policy"]
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in headers["content-security-policy"] or "posters" in path
            assert "strict-transport-security" not in headers
        assert http.get("/", headers={"x-forwarded-proto": "https"}).headers["strict-transport-security"]
        rejected = http.post("/gradio_api/run/open", content=json.dumps({}), headers={"host": "evil.test"})
        assert (rejected.status_code, rejected.headers["x-content-type-options"]) == (421, "nosniff")
