"""Prometheus metrics: requests and seconds by route, seconds by stage, ages, the backlog, hits of the response cache.

A single worker has its metrics in memory. Several workers share a folder of small memory-mapped files
(`PROMETHEUS_MULTIPROC_DIR`, set by `serve`), so that whichever worker is asked answers for all.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The numbers of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "matinee_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "matinee_request_seconds", "Seconds to answer.", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.ready = Counter("matinee_ready_answers", "Requests served from ready answers.", registry=self.registry)
        self.stages = Histogram(
            "matinee_stage_seconds",
            "Seconds of the stages of an answer.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self._gauges: dict[str, Gauge] = {}
        self._stages: dict[str, Histogram] = {}
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record one request. Routes are templates and methods known ones, so that the number of series stays small."""
        key = (method, route, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self.requests.labels(method, route, str(status))
        histogram = self._histograms.get(route)
        if histogram is None:
            histogram = self._histograms[route] = self.seconds.labels(route)
        counter.inc()
        histogram.observe(seconds)

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Record one stage of an answer."""
        histogram = self._stages.get(stage)
        if histogram is None:
            histogram = self._stages[stage] = self.stages.labels(stage)
        histogram.observe(seconds)

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
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
