"""What is recorded of each request: metrics, a line in the log, a span."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import perf_counter

from starlette.types import Scope

from matinee._util.logs import ACCESS
from matinee._util.request_context import RequestContext, current
from matinee.api.metrics import Metrics
from matinee.api.telemetry import Telemetry
from matinee.settings import Settings

log = logging.getLogger(ACCESS)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SCOPE = "matinee.request"
_IDS = frozenset({b"x-request-id", b"traceparent"})


class Observation:
    """Records the requests of one service.

    Args:
        settings: `log_format`, `log_requests`, `telemetry`.
        metrics: of the service.
        service: its name: "matinee-core".

    Raises:
        MissingExtraError: traces are to be sent, and the package for that is not installed.
        InvalidInputError: the endpoint of traces is not a web address.
    """

    def __init__(self, settings: Settings, metrics: Metrics, service: str) -> None:
        self.metrics = metrics
        in_json = settings.log_format == "json"
        self._logs = settings.log_requests == "on" or (settings.log_requests == "auto" and in_json)
        self._telemetry = Telemetry(settings.telemetry, service) if settings.telemetry else None
        self._collects = self._logs or self._telemetry is not None

    def needs_context(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether more than a new id and the metrics is wanted: it is logged or traced, or the client sent an id."""
        return self._collects or not _IDS.isdisjoint(dict(headers))

    def begin(self, scope: Scope) -> RequestContext:
        """The context of a request, made where it has none yet."""
        context: RequestContext | None = scope.get(_SCOPE)
        if context is None:
            context = scope[_SCOPE] = RequestContext.of(scope["headers"])
            context.observe = self.metrics.observe_stage
            context.stages = []
        return context

    def end(self, context: RequestContext, method: str, route: str, status: int, cached: bool = False) -> None:
        """Record an answer. Routes are templates: neither metrics, logs nor spans hold ids of users.

        Args:
            cached: it came from the response cache.
        """
        end = perf_counter()
        known = method if method in METHODS else "other"
        self.metrics.count(known, route, status, end - context.started, cached, context.stages)
        if self._logs:
            self._log(context, known, route, status, end)
        if self._telemetry is not None:
            self._telemetry.export(context, known, route, status, end)

    def close(self) -> None:
        """Send the spans that are still here."""
        if self._telemetry is not None:
            self._telemetry.close()

    def _log(self, context: RequestContext, method: str, route: str, status: int, end: float) -> None:
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(1000 * (end - context.started), 3),
        }
        stages: dict[str, float] = {}
        for name, start, stop in context.stages or ():
            stages[name] = round(stages.get(name, 0.0) + 1000 * (stop - start), 3)
        if stages:
            fields["stages_ms"] = stages
        message = f"{method} {route} {status} {fields['duration_ms']:.1f} ms {context.request_id}"
        token = current.set(context)
        try:
            log.info("%s", message, extra={"fields": fields})
        finally:
            current.reset(token)
