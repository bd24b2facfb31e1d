"""Limits of requests a minute, by a clock that the tests set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.access.rate_limit import RateLimiter, network_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_of_requests_at_once_then_as_they_come_back() -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)
    used = [limiter.take("a", 6) for _ in range(6)]
    assert [one.remaining for one in used] == [5, 4, 3, 2, 1, 0]
    assert [one.retry_after for one in used] == [0] * 6
    refused = limiter.take("a", 6)
    assert (refused.retry_after, refused.remaining, refused.reset) == (10, 0, 60)
    assert limiter.take("b", 6).retry_after == 0
    clock.now += 10
    assert limiter.take("a", 6).retry_after == 0
    assert limiter.take("a", 6).retry_after == 10
    clock.now += 60
    assert limiter.take("a", 6).remaining == 5


@given(
    limit=st.integers(1, 40),
    pauses=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_no_minute_has_more_than_twice_the_limit(limit: int, pauses: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)
    accepted = []
    for pause in pauses:
        clock.now += pause
        usage = limiter.take("a", limit)
        assert usage.limit == limit
        if usage.retry_after:
            assert 1 <= usage.retry_after <= 60
        else:
            assert 0 <= usage.remaining < limit
            accepted.append(clock.now)
    for start in accepted:
        assert sum(start <= at < start + 60 for at in accepted) <= 2 * limit
    if len(pauses) > limit and sum(pauses[1:]) < 60 / limit:
        assert len(accepted) <= limit + 1


def test_who_waits_as_told_is_accepted() -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)
    for limit in (1, 7, 100):
        name = str(limit)
        while not (wait := limiter.take(name, limit).retry_after):
            pass
        clock.now += wait
        assert not limiter.take(name, limit).retry_after


def test_memory_is_bounded() -> None:
    clock = Clock()
    limiter = RateLimiter(max_clients=100, clock=clock)
    for number in range(1000):
        limiter.take(str(number), 5)
    assert len(limiter._full) <= 100
    assert limiter.take("999", 5).remaining == 3, "the newest are remembered"
    clock.now += 60
    limiter.take("new", 5)
    for number in range(200):
        limiter.take(f"later {number}", 5)
    assert "999" not in limiter._full


def test_headers() -> None:
    limiter = RateLimiter(clock=Clock())
    first, second = limiter.take("a", 1), limiter.take("a", 1)
    assert first.headers() == [(b"ratelimit-policy", b'"minute";q=1;w=60'), (b"ratelimit", b'"minute";r=0;t=60')]
    assert second.headers()[2] == (b"retry-after", b"60")


@pytest.mark.parametrize("address", ["", "testclient", "::x"])
def test_odd_addresses_count_as_they_are(address: str) -> None:
    assert network_of(address) == address
