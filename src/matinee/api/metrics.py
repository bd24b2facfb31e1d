"""Prometheus metrics: requests and seconds by route, seconds by stage, ages, the backlog, hits of the response cache.

A single worker has its metrics in memory. Several workers share a folder of small memory-mapped files
(`PROMETHEUS_MULTIPROC_DIR`, set by `serve`), so that whichever worker is asked answers for all.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter as Counts
from collections import defaultdict, deque
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


BATCH = 500
"""Requests that are recorded together; several workers record each at once, for whichever of them is asked."""


class BatchHistogram(Histogram):
    """A histogram that takes many values at once."""

    def observe_all(self, values: list[float]) -> None:
        """Observe each value."""
        self._sum.inc(sum(values))
        for i, count in Counts(bisect_left(self._upper_bounds, value) for value in values).items():
            self._buckets[i].inc(count)


class Metrics:
    """The numbers of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "matinee_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = BatchHistogram(
            "matinee_request_seconds", "Seconds to answer.", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.ready = Counter("matinee_ready_answers", "Requests served from ready answers.", registry=self.registry)
        self.stages = BatchHistogram(
            "matinee_stage_seconds",
            "Seconds of the stages of an answer.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self.exposures = Counter(
            "matinee_exposures",
            "Lists of an experiment that were written to the log, or dropped since they could not be.",
            ["outcome"],
            registry=self.registry,
        )
        self._gauges: dict[str, Gauge] = {}
        self._pending: deque[tuple[tuple[str, str, int, bool], float, Sequence[tuple[str, float, float]]]] = deque()
        self._recording = threading.Lock()
        self._batch = 1 if "PROMETHEUS_MULTIPROC_DIR" in os.environ else BATCH

    def count(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        cached: bool = False,
        stages: Sequence[tuple[str, float, float]] | None = None,
    ) -> None:
        """Record one request. Routes are templates and methods known ones, so that the number of series stays small.

        Args:
            cached: it was answered from the response cache.
            stages: name, start and end of its stages.
        """
        self._pending.append(((method, route, status, cached), seconds, stages or ()))
        if len(self._pending) >= self._batch:
            self._record()

    def _record(self) -> None:
        """Move the pending requests into the metrics: together, since one by one takes longer than a cached answer."""
        with self._recording:
            groups: dict[tuple[str, str, int, bool], list[float]] = defaultdict(list)
            stages: dict[str, list[float]] = defaultdict(list)
            while self._pending:
                key, seconds, finished = self._pending.popleft()
                groups[key].append(seconds)
                for name, start, end in finished:
                    stages[name].append(end - start)
            for (method, route, status, cached), times in groups.items():
                self.requests.labels(method, route, str(status)).inc(len(times))
                self.seconds.labels(route).observe_all(times)
                if cached:
                    self.ready.inc(len(times))
            for name, times in stages.items():
                self.stages.labels(name).observe_all(times)

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Record one stage of work in the background."""
        self.stages.labels(stage).observe(seconds)

    def gauge(self, name: str, description: str, value: float, **labels: str) -> None:
        """Set a number that is known when metrics are asked for; of several workers the last one asked says it."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(
                name, description, list(labels), registry=self.registry, multiprocess_mode="mostrecent"
            )
        (gauge.labels(**labels) if labels else gauge).set(value)

    def text(self) -> bytes:
        """All numbers in Prometheus's text format, over all workers."""
        self._record()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
