"""Security headers of the services: on every answer, of every path through the code, once each."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from apps_support import serving, train_small
from matinee._util.security_headers import security_headers, with_headers

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-site",
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("core")
    environment = train_small(folder) | {"FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with (
        serving(["serve"], "/ready", folder, environment) as service,
        httpx.Client(base_url=service.url, trust_env=False, timeout=90) as client,
    ):
        yield client


def headers_of(answer: httpx.Response) -> dict[str, str]:
    names = [name for name, _ in answer.headers.multi_items()]
    assert len(names) == len(set(names)), names
    return dict(answer.headers)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/users/1/recommendations", 200),
        ("/v1/popular", 200),
        ("/v1/movies/1/poster", 200),
        ("/health", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/nowhere", 404),
        ("/v1/movies/none", 404),
        ("/v1/users/1/recommendations?n=0", 422),
        ("/static-docs/swagger-ui.css", 200),
    ],
)
def test_every_answer_has_them(http: httpx.Client, path: str, status: int) -> None:
    for _ in range(2):  # the second is a cached one, where there is a cache
        answer = http.get(path)
        headers = headers_of(answer)
        assert answer.status_code == status
        assert headers.items() >= EVERYWHERE.items()
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" not in headers
    secure = headers_of(http.get(path, headers={"x-forwarded-proto": "https"}))
    assert secure["strict-transport-security"] == "max-age=31536000"


def test_refusals_have_them(http: httpx.Client) -> None:
    foreign = http.post("/v1/snapshots/rollback", headers={"origin": "https://evil.test"})
    rebound = http.get("/v1/popular", headers={"host": "evil.test"})
    assert (foreign.status_code, rebound.status_code) == (403, 421)
    for answer in (foreign, rebound):
        assert headers_of(answer).items() >= EVERYWHERE.items()


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_have_a_policy_of_their_own(http: httpx.Client, path: str) -> None:
    headers = headers_of(http.get(path))
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


def test_what_an_answer_has_already_is_left() -> None:
    added = security_headers()
    own = (b"content-security-policy", b"default-src 'self'")
    headers = with_headers([own], added, https=True)
    assert headers.count(own) == 1
    assert len(headers) == len({name for name, _ in headers}) == len(added) + 1


def test_framing_can_be_allowed() -> None:
    assert b"x-frame-options" not in dict(security_headers(framed_by="https://huggingface.co"))
