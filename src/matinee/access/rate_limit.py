"""Limits of requests a minute, by the generic cell rate algorithm (GCRA): a token bucket of one number a client.

A client may send a minute's requests at once; after that one for each that the minute gives back. It is ITU-T I.371's
algorithm, in the form of https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm (virtual scheduling).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import NamedTuple

WINDOW = 60.0
"""Seconds."""
MAX_CLIENTS = 10_000
"""Clients that are remembered; beyond it those seen first are forgotten."""


class TooMany(NamedTuple):
    """Why a request is one too many.

    Attributes:
        limit: requests a minute.
        reset: seconds until all of the limit is there again.
        retry_after: seconds after which the next request is accepted.
    """

    limit: int
    reset: int
    retry_after: int

    def headers(self) -> dict[str, str]:
        """Headers of the answer (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "retry-after": str(self.retry_after),
            "ratelimit-policy": f'"minute";q={self.limit};w={WINDOW:.0f}',
            "ratelimit": f'"minute";r=0;t={self.reset}',
        }


class RateLimiter:
    """Counts requests by client, in memory.

    Args:
        max_clients: that are remembered.
        clock: seconds, never set back.
    """

    def __init__(self, max_clients: int = MAX_CLIENTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max, self._clock = max_clients, clock
        self._full: dict[str, float] = {}
        """When each client's bucket is full again."""

    def take(self, client: str, limit: int) -> TooMany | None:
        """Count one request; None: it is accepted.

        Args:
            limit: requests a minute, at least 1.
        """
        now, each = self._clock(), WINDOW / limit
        full = self._full.get(client, now)
        if full < now:
            full = now
        full += each
        wait = full - now - WINDOW
        if wait > 1e-9:
            return TooMany(limit, ceil(full - each - now), max(1, ceil(wait)))
        if client not in self._full and len(self._full) >= self._max:
            self._forget(now)
        self._full[client] = full
        return None

    def _forget(self, now: float) -> None:
        """Make room: clients that have all of their limit, else the tenth that was seen first."""
        self._full = {client: full for client, full in self._full.items() if full > now}
        for client in list(self._full)[: 1 + len(self._full) - self._max + self._max // 10]:
            del self._full[client]


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that one customer has.

    Examples:
        >>> network_of("2001:db8:1:2:3::4"), network_of("192.0.2.1"), network_of("::ffff:192.0.2.1")
        ('2001:db8:1:2::', '192.0.2.1', '192.0.2.1')
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
