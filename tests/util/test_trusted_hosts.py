"""By which names a service answers, and whose pages may change something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee._util.trusted_hosts import TrustedHosts, host_name

LOCAL = TrustedHosts("127.0.0.1")
EVERYWHERE = TrustedHosts("0.0.0.0", "Films.example.org, *.cinema.example", "https://friend.example/")


def refused(trusted: TrustedHosts, method: str = "GET", **headers: str) -> int | None:
    refusal = trusted.refusal(method, [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()])
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1:1", "[::1]:8000", "a.localhost"]
)
def test_the_machine_itself(host: str) -> None:
    assert refused(LOCAL, host=host) is None
    assert refused(EVERYWHERE, host=host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", "", "[::2]"],
)
def test_other_names(host: str) -> None:
    assert refused(LOCAL, host=host) == 421
    assert not LOCAL.knows([(b"host", host.encode())])
    assert refused(TrustedHosts("127.0.0.1", "*"), host=host) is None


def test_names_of_a_service_for_others() -> None:
    for host in ("films.example.org:443", "a.cinema.example", "203.0.113.7:8000", "[2001:db8::7]"):
        assert refused(EVERYWHERE, host=host) is None
    for host in ("example.org", "cinema.example", "films.example.org.evil.example"):
        assert refused(EVERYWHERE, host=host) == 421
    assert refused(TrustedHosts("10.1.2.3"), host="10.1.2.3:80") is None
    assert refused(TrustedHosts("10.1.2.3"), host="10.1.2.4:80") == 421
    assert "MATINEE_HOSTS" in str(LOCAL.refusal("GET", [(b"host", b"evil.example")]))


def test_two_names_are_both_checked() -> None:
    assert LOCAL.refusal("GET", [(b"host", b"localhost"), (b"host", b"evil.example")]) is not None


def test_a_program_names_no_origin() -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert refused(LOCAL, method, host="localhost:8000") is None
        assert refused(LOCAL, method) is None  # HTTP/1.0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost:8000"}, None),
        ({"origin": "http://localhost:8000", "sec_fetch_site": "same-origin"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://localhost:8000", "sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_changes_by_pages(method: str, headers: dict[str, str], status: int | None) -> None:
    assert refused(LOCAL, method, host="localhost:8000", **headers) == status


def test_reading_is_allowed_to_every_page() -> None:
    """What the page then sees of it is the browser's matter: nothing, without CORS."""
    assert refused(LOCAL, "GET", host="localhost", origin="https://evil.example", sec_fetch_site="cross-site") is None


def test_origins_that_are_allowed() -> None:
    trusted = {"host": "films.example.org", "sec_fetch_site": "cross-site"}
    assert refused(EVERYWHERE, "POST", origin="https://friend.example", **trusted) is None
    assert refused(EVERYWHERE, "POST", origin="http://friend.example", **trusted) == 403


def test_a_proxy_may_leave_the_port_out() -> None:
    assert refused(EVERYWHERE, "POST", host="films.example.org", origin="https://films.example.org:8443") is None
    assert refused(EVERYWHERE, "POST", host="[2001:db8::7]", origin="https://[2001:db8::7]:8443") is None
    assert refused(EVERYWHERE, "POST", host="films.example.org", origin="https://a.cinema.example") == 403


@given(st.binary(max_size=80))
def test_any_bytes_are_a_host(host: bytes) -> None:
    assert LOCAL.knows([(b"host", host)]) == (LOCAL.refusal("GET", [(b"host", host)]) is None)
    assert isinstance(host_name(host.decode("latin-1")), str)


def test_patterns_for_other_servers() -> None:
    assert LOCAL.patterns() == ["127.0.0.1", "::1", "localhost"]
    assert {"*.cinema.example", "films.example.org"} <= set(EVERYWHERE.patterns())
    assert TrustedHosts("0.0.0.0", "*").patterns() == ["*"]
