"""Which requests a service refuses because a page of another site may be behind them.

A browser sends a page's requests to any address. Two checks stop what pages of other sites could do with it:

* The `Host` must be a name of this service. Otherwise a site whose name is made to point here (DNS rebinding) could
  read everything.
* What changes something must not come from a page of another origin (`Sec-Fetch-Site`, `Origin`). Otherwise any page
  could post a form.

Programs send neither `Origin` nor `Sec-Fetch-Site`, and the name that they were given as `Host`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ANY_ADDRESS = ("0.0.0.0", "::", "")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Headers = Iterable[tuple[bytes, bytes]]


class Refusal(NamedTuple):
    """HTTP status, and a sentence that says what to do."""

    status: int
    detail: str


class TrustedHosts:
    """The names of a service.

    Args:
        bound: address that it is bound to. Where that is every address of the machine, every IP address is a name of
            the service: another site cannot be called like this.
        hosts: further names, separated by commas; `*.example.org` stands for all names below, `*` for all.
        origins: other origins (`https://example.org`) whose pages may change something, separated by commas.
    """

    def __init__(self, bound: str, hosts: str = "", origins: str = "") -> None:
        self._any_address = bound in _ANY_ADDRESS
        own = {*LOOPBACK, *([] if self._any_address else [bound.lower()]), *_split(hosts)}
        if bound not in LOOPBACK:
            own.add(socket.gethostname().lower())
        self._names = {name for name in own if not name.startswith("*")}
        self._below = tuple(name[1:] for name in own if name.startswith("*."))
        self._all = "*" in own
        self.origins = frozenset(origin.rstrip("/") for origin in _split(origins))
        self._is_name = lru_cache(maxsize=1024)(self._check)

    def refusal(self, method: str, headers: Headers) -> Refusal | None:
        """Why a request is refused: 421 for the name, 403 for the origin; None: it is not."""
        host = origin = site = b""
        for name, value in headers:
            if name == b"host":
                if not self._is_name(value):
                    return _wrong_host(value)
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if method in _SAFE or not (origin or site):
            return None
        return None if self._from_here(host, origin.decode("latin-1").lower(), site) else _foreign(origin)

    def patterns(self) -> list[str]:
        """The names, for servers that check them: `localhost`, `*.example.org`, `*`."""
        local: set[str] = set()
        if self._any_address:
            with suppress(OSError):  # the machine's name is in no table
                local = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)}
        return ["*"] if self._all else sorted(self._names | local | {"*" + below for below in self._below})

    def knows(self, headers: Headers) -> bool:
        """Whether a request that changes nothing is answered."""
        return all(self._is_name(value) for name, value in headers if name == b"host")

    def _check(self, host: bytes) -> bool:
        if self._all:
            return True
        name = host_name(host.decode("latin-1"))
        if name in self._names or name.endswith((".localhost", *self._below)):
            return True
        return self._any_address and _is_address(name)

    def _from_here(self, host: bytes, origin: str, site: bytes) -> bool:
        if origin in self.origins:
            return True
        if site not in (b"", b"same-origin", b"none"):
            return False
        if not origin:
            return True
        given, (_, _, authority) = host.decode("latin-1").lower(), origin.partition("://")
        # A proxy may pass the name without its port.
        return authority == given or (":" not in given.rpartition("]")[2] and host_name(authority) == host_name(given))


def host_name(authority: str) -> str:
    """The name in `name:port`, in lower case, without the brackets of an IPv6 address or a dot at its end."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].rstrip(".")


def _split(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _wrong_host(host: bytes) -> Refusal:
    name = host_name(host.decode("latin-1"))[:100]
    return Refusal(
        421,
        f"This service is not called {name!r}. Use the address that it is bound to, or add the name to MATINEE_HOSTS.",
    )


def _foreign(origin: bytes) -> Refusal:
    shown = origin.decode("latin-1")[:200] or "another site"
    return Refusal(
        403,
        f"A page of {shown} may not change anything here. Where it should, add its origin to MATINEE_ORIGINS.",
    )
