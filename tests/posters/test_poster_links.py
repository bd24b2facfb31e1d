"""Which addresses of pictures are handed on to browsers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.posters.links import allowed_link, is_public_host

PUBLIC = (
    "https://example.org/1.jpg",
    "http://images.example.org:8080/a%20b.jpg?w=1#x",
    "https://bücher.example/ü.jpg",
    "https://1.1.1.1/x",
    "http://[2606:4700::1111]/x",
    "HTTPS://EXAMPLE.ORG/1.jpg",
)
PRIVATE = (
    "http://127.0.0.1/x", "http://10.0.0.1/x", "http://192.168.1.1/reboot", "http://172.16.0.1/", "http://169.254.169.254/",
    "http://0.0.0.0/", "http://224.0.0.1/", "http://100.64.0.1/", "http://255.255.255.255/", "http://[::1]/", "http://[fe80::1]/",
    "http://[fd00::1]/", "http://[::ffff:127.0.0.1]/", "http://[::]/", "http://[2002:7f00:1::]/", "http://127.1/", "http://2130706433/",
    "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/", "http://localhost/", "http://localhost./", "http://a.localhost/",
    "http://router/", "http://printer.local/", "http://db.internal/", "http://127.0.0.1./", "http://1.2.3.0x7f/",
)  # fmt: skip
NO_LINKS = (
    None, "", "/etc/passwd", "javascript:alert(1)", "file:///etc/passwd", "ftp://example.org/x", "//example.org/x",
    "data:image/png,x",
    "http://user:secret@example.org/", "http://example.org@127.0.0.1/", "http://example.org\\@127.0.0.1/", "http:///x", "http://",
    "http://example.org/\r\nset-cookie: a=b", "http://exam\tple.org/", " http://example.org/", "http://example.org/\x00",
    "http://example.org/\u202egpj", "http://example.org:99999/", "http://[::1/", "http://example.org:port/",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_pictures_are_linked(address: str) -> None:
    assert allowed_link(address) == address


@pytest.mark.parametrize("address", PRIVATE + NO_LINKS)
def test_others_are_not(address: str | None) -> None:
    assert allowed_link(address) is None


def test_hosts_that_are_named_alone_are_allowed() -> None:
    hosts = "images.example.org, *.cdn.example,192.168.1.5"
    for address in ("http://images.example.org/1", "https://a.b.cdn.example/1", "http://192.168.1.5/1"):
        assert allowed_link(address, hosts) == address
    for address in ("https://example.org/1", "https://cdn.example/1", "http://192.168.1.6/1", "javascript:alert(1)"):
        assert allowed_link(address, hosts) is None


@given(st.ip_addresses())
def test_an_address_of_the_public_internet_is_global(ip: object) -> None:
    if is_public_host(str(ip)):
        assert ip.is_global  # type: ignore[attr-defined]
        assert not ip.is_multicast  # type: ignore[attr-defined]
