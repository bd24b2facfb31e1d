"""The quota of uploads, and answers of all named endpoints to bodies of any form."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from apps_support import Service, serving
from matinee.web.uploads import HELD, SMALLEST, UploadQuota

KB = 1024


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def quota(now: list[float]) -> UploadQuota:
    async def nothing(*_: object) -> None: ...

    return UploadQuota(nothing, 400 * KB, lambda: now[0])


def test_an_address_has_a_quarter(quota: UploadQuota, now: list[float]) -> None:
    assert [bool(quota.take("a", 50 * KB)) for _ in range(3)] == [False, False, True]
    assert not quota.take("b", 50 * KB)
    now[0] += 10
    assert quota.take("a", 1) == HELD - 10
    now[0] += HELD
    assert not quota.take("a", 100 * KB)


def test_all_addresses_share_the_limit(quota: UploadQuota, now: list[float]) -> None:
    taken = [bool(quota.take(f"address {number}", 100 * KB)) for number in range(5)]
    assert taken == [False] * 4 + [True]
    now[0] += HELD
    assert not quota.take("other", 100 * KB)
    assert quota.take("huge", 500 * KB)


def test_small_files_count_what_they_cost(quota: UploadQuota) -> None:
    assert sum(not quota.take(f"address {number}", 1) for number in range(100)) == 400 * KB // SMALLEST


@pytest.fixture(scope="module")
def small(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("small")
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_UPLOADS_LIMIT": str(256 * KB)}
    with serving(["web"], "/health", folder, environment) as service:
        yield service


def test_uploads_have_a_quota(small: Service) -> None:
    answers = [
        httpx.post(f"{small.url}/gradio_api/upload", files={"files": ("a.jpg", b"a" * 30 * KB)}, trust_env=False)
        for _ in range(4)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Try again" in answers[-1].json()["detail"]


@pytest.mark.parametrize("kind", ["run", pytest.param("call", marks=pytest.mark.extended)])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"3",
        b"{}",
        *(
            json.dumps({"data": data}).encode()
            for data in ([], None, {}, "x", 3, [[]], [None] * 100, [{"path": None}], [True, 1e308, {"a": []}])
        ),
        b'{"data": [], "session_hash": 3}',
        b'{"data": ["\xff"]}',
        b'{"data": [1], "fn_index": 99999}',
        b'{"data": [NaN, Infinity]}',
        b"[" * 5000,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_no_body_is_a_fault_of_the_server(small: Service, kind: str, body: bytes) -> None:
    info = httpx.get(f"{small.url}/gradio_api/info", trust_env=False).json()["named_endpoints"]
    assert "/rate" in info
    with httpx.Client(base_url=f"{small.url}/gradio_api/{kind}", trust_env=False, timeout=60) as http:
        found = {name: http.post(name, content=body, headers={"content-type": "application/json"}) for name in info}
        for other in ("queue/join", "cancel", "reset"):
            found[other] = http.post(f"../{other}", content=body, headers={"content-type": "application/json"})
    faults = {name: answer.text[:200] for name, answer in found.items() if answer.status_code >= 500}
    assert not faults, small.told()[-3000:]
