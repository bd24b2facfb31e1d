from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from matinee.api.errors import problem, status_of, without_folders
from matinee.api.metrics import BATCH, BUCKETS, Metrics
from matinee.api.parameters import split_ids
from matinee.api.render import dumps
from matinee.api.response_cache import AdaptiveExecutor, CachedResponse, ResponseCache, Version
from matinee.api.serve import _environment, as_environment, config_of
from matinee.errors import (
    ConflictError,
    DataError,
    FetchError,
    FilterError,
    InvalidInputError,
    SnapshotError,
    StoreError,
    UnknownMovieError,
)
from matinee.settings import Settings


class Versions:
    """A source whose versions the test sets."""

    def __init__(self) -> None:
        self.films, self.users = 0, {"a": 0, "b": 0}

    def validity(self, user_id: str | None) -> Version:
        return "snapshot", self.films, self.users[user_id] if user_id is not None else 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["a", "b", None]), st.binary(max_size=2)),
        st.tuples(st.just("write"), st.sampled_from(["a", "b"]), st.just(b"")),
        st.tuples(st.just("film"), st.none(), st.just(b"")),
    ),
    max_size=60,
)


def find(cache: ResponseCache, path: str, query: bytes, versions: Versions) -> CachedResponse | None:
    """As the fast path does it."""
    answer = cache.get(path, query)
    if answer is not None and answer.version != versions.validity(answer.user_id):
        cache.drop(path, query)
        return None
    return answer


@given(steps=STEPS, limit=st.sampled_from([0, 2500, 5000, 100_000]))
def test_ready_answers_are_never_out_of_date(steps: list[tuple[str, str | None, bytes]], limit: int) -> None:
    """Whatever is asked and written in whatever order, an answer is the one that would be computed now."""
    versions, cache = Versions(), ResponseCache(limit)
    for what, user, query in steps:
        if what == "write" and user is not None:
            versions.users[user] += 1
        elif what == "film":
            versions.films += 1
        else:
            now = versions.validity(user)
            ready = find(cache, f"/{user}", query, versions)
            if ready is None:
                cache.put(f"/{user}", query, CachedResponse.of("route", user, now, repr((now, query)).encode()))
            else:
                assert ready.body == repr((now, query)).encode()
                assert dict(ready.headers)[b"content-length"] == str(len(ready.body)).encode()
        assert cache.size <= limit
        assert (cache.size == 0) == (len(cache) == 0)


def test_least_recently_used_answers_go_first() -> None:
    versions, cache = Versions(), ResponseCache(4 * 1000)
    for name in ("1", "2", "3"):
        cache.put(name, b"", CachedResponse.of("route", None, versions.validity(None), b"x" * 390))
    assert find(cache, "1", b"", versions) is not None
    for name in ("4", "5"):
        cache.put(name, b"", CachedResponse.of("route", None, versions.validity(None), b"x" * 390))
    kept = [name for name in "12345" if find(cache, name, b"", versions)]
    assert kept == ["1", "3", "4", "5"] or kept == ["1", "4", "5"]
    cache.put("big", b"", CachedResponse.of("route", None, versions.validity(None), b"x" * 3000))
    assert find(cache, "big", b"", versions) is None
    cache.put("1", b"", CachedResponse.of("route", None, versions.validity(None), b"new"))
    again = find(cache, "1", b"", versions)
    assert again is not None
    assert again.body == b"new"


def test_quick_work_runs_in_place_and_slow_work_in_threads() -> None:
    async def places() -> list[bool]:
        here, pace = threading.get_ident(), AdaptiveExecutor(limit=0.01)
        found = [await pace.run(threading.get_ident) == here for _ in range(40)]
        found.append(await pace.run(threading.get_ident, heavy=True) == here)

        def slow() -> int:
            end = time.thread_time() + 0.05
            while time.thread_time() < end:
                pass
            return threading.get_ident()

        found.append(await pace.run(slow, key="big") == here)
        found.append(await pace.run(slow, key="big") == here)
        found.append(await pace.run(threading.get_ident, key="small") == here)
        found.append(await pace.run(threading.get_ident, key="big") == here)
        found.append(await pace.run(threading.get_ident, key="big") == here)
        for _ in range(20):
            await pace.run(slow)
        found.append(await pace.run(threading.get_ident, key="small") == here)
        return found

    found = anyio.run(places)
    assert not found[0]  # unknown work
    assert found[39]
    assert not found[40]  # heavy
    assert found[41:46] == [True, False, True, False, True]  # slow once, slow again, not slow, no longer slow
    assert not found[46]  # all is slow


def test_work_that_fails_fails() -> None:
    async def fail() -> None:
        await AdaptiveExecutor().run(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        anyio.run(fail)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FilterError("x", 3), 400),
        (UnknownMovieError("x"), 404),
        (ConflictError("x"), 409),
        (InvalidInputError("x"), 422),
        (StoreError("x"), 503),
        (SnapshotError("x"), 503),
        (DataError("x"), 500),
        (FetchError("x"), 500),
    ],
)
def test_statuses(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_a_problem_may_echo_what_is_not_unicode() -> None:
    answer = problem(422, "bad \ud800", instance="/x")
    assert b"\\ud800" in answer.body


@given(st.lists(st.lists(st.text("ab1", min_size=1), max_size=3), max_size=3))
def test_ids_may_be_repeated_or_joined(groups: list[list[str]]) -> None:
    assert split_ids([",".join(group) for group in groups]) == tuple(part for group in groups for part in group)
    assert split_ids([]) == ()


def test_numbers_that_json_lacks_become_null() -> None:
    assert dumps({"x": float("nan"), "y": float("inf")}) == b'{"x":null,"y":null}'


def test_metrics_of_several_workers(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    metrics.count("GET", "/x", 200, 0.002)
    assert b'matinee_requests_total{method="GET",route="/x",status="200"} 1.0' in metrics.text()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert metrics.text() == b""  # this process began before the folder was set: it wrote nothing there


@given(
    times=st.lists(st.floats(0, 20) | st.sampled_from(BUCKETS), max_size=3 * BATCH // 2),
    cached=st.lists(st.booleans(), min_size=1, max_size=9),
)
def test_requests_recorded_together_make_the_same_metrics(times: list[float], cached: list[bool]) -> None:
    metrics, registry = Metrics(), CollectorRegistry()
    reference = Histogram("matinee_request_seconds", "-", ["route"], buckets=BUCKETS, registry=registry)
    for i, seconds in enumerate(times):
        metrics.count("GET", f"/{i % 3}", 200 + i % 2, seconds, cached[i % len(cached)])
        reference.labels(f"/{i % 3}").observe(seconds)
    metrics.text()
    for expected in next(iter(registry.collect())).samples:
        if not expected.name.endswith("_created"):
            assert metrics.registry.get_sample_value(expected.name, expected.labels) == pytest.approx(expected.value)
    requests = [
        metrics.registry.get_sample_value(
            "matinee_requests_total", {"method": "GET", "route": f"/{i}", "status": str(200 + j)}
        )
        or 0
        for i in range(3)
        for j in range(2)
    ]
    ready = sum(cached[i % len(cached)] for i in range(len(times)))
    assert (sum(requests), metrics.registry.get_sample_value("matinee_ready_answers_total")) == (len(times), ready)


def test_no_request_is_lost_while_metrics_are_read() -> None:
    metrics, texts = Metrics(), []

    def read() -> None:
        texts.extend(metrics.text() for _ in range(200))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(5000):
        metrics.count("GET", "/x", 200, 0.001)
    for reader in readers:
        reader.join()
    assert b'matinee_requests_total{method="GET",route="/x",status="200"} 5000.0' in metrics.text()
    assert len(texts) == 400


def test_settings_pass_through_the_environment(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path, port=1234, offline=True, busy_timeout=1.5, verify_on_load="size", workers=3)  # type: ignore[arg-type]
    before = dict(os.environ)
    with _environment(as_environment(settings)):
        assert Settings() == settings
    assert dict(os.environ) == before


def test_configuration() -> None:
    config = config_of(Settings(workers=2, port=9))
    assert (config.workers, config.port, config.factory, config.access_log) == (2, 9, True, False)
    assert config.app == "matinee.api.serve:worker"


def test_one_very_slow_piece_of_work_does_not_send_the_others_to_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("matinee.api.response_cache.thread_time", lambda: clock[0])

    def takes(seconds: float) -> int:
        clock[0] += seconds
        return threading.get_ident()

    async def places() -> tuple[bool, bool]:
        here, executor = threading.get_ident(), AdaptiveExecutor(limit=0.01)
        for _ in range(60):
            await executor.run(lambda: takes(0.0))
        slow = await executor.run(lambda: takes(60.0), key="big")
        return slow == here, await executor.run(lambda: takes(0.0), key="small") == here

    assert anyio.run(places) == (True, True)


def test_no_error_tells_where_the_folders_of_the_service_lie(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    told = without_folders(f"The store {tmp_path}/data/stores/x.sqlite3 cannot answer.", settings)
    assert told == "The store MATINEE_DATA_DIR/stores/x.sqlite3 cannot answer."
    assert without_folders(f"{tmp_path}/cache/x", settings) == "MATINEE_CACHE_DIR/x"
