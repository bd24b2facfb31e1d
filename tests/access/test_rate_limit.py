"""Limits of requests a minute, by a clock that the tests set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.access.rate_limit import RateLimiter, TooMany, network_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_of_requests_at_once_then_as_they_come_back() -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)
    assert [limiter.take("a", 6) for _ in range(6)] == [None] * 6
    assert limiter.take("a", 6) == TooMany(limit=6, reset=60, retry_after=10)
    assert limiter.take("b", 6) is None
    clock.now += 10
    assert limiter.take("a", 6) is None
    assert limiter.take("a", 6) == TooMany(limit=6, reset=60, retry_after=10)
    clock.now += 60
    assert [limiter.take("a", 6) for _ in range(6)] == [None] * 6
    assert limiter.take("a", 6) is not None


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
        refused = limiter.take("a", limit)
        if refused is not None:
            assert refused.limit == limit
            assert 1 <= refused.retry_after <= 60 >= refused.reset
        else:
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
        while (refused := limiter.take(name, limit)) is None:
            pass
        clock.now += refused.retry_after
        assert limiter.take(name, limit) is None


def test_memory_is_bounded() -> None:
    clock = Clock()
    limiter = RateLimiter(max_clients=100, clock=clock)
    for number in range(1000):
        limiter.take(str(number), 5)
    assert len(limiter._full) <= 100
    assert [limiter.take("999", 5) is None for _ in range(5)] == [True] * 4 + [False], "the newest are remembered"
    clock.now += 60
    limiter.take("new", 5)
    for number in range(200):
        limiter.take(f"later {number}", 5)
    assert "999" not in limiter._full


def test_headers() -> None:
    assert TooMany(limit=5, reset=60, retry_after=12).headers() == {
        "retry-after": "12",
        "ratelimit-policy": '"minute";q=5;w=60',
        "ratelimit": '"minute";r=0;t=60',
    }


@pytest.mark.parametrize("address", ["", "testclient", "::x"])
def test_odd_addresses_count_as_they_are(address: str) -> None:
    assert network_of(address) == address
