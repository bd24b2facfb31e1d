"""Spans for OpenTelemetry, one a request and one a stage in it, sent in batches by OTLP over HTTP (an extra)."""

from __future__ import annotations

from time import perf_counter, time_ns
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from matinee import __version__
from matinee._util.extras import need
from matinee._util.request_context import SAMPLED, RequestContext, new_span_id
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from opentelemetry.trace import SpanKind

PATH = "/v1/traces"
"""Where receivers of OTLP take traces; appended to an endpoint without a path."""
TIMEOUT = 5
"""Seconds that the receiver may take to answer."""


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        valid = False
    if not valid:
        raise InvalidInputError(
            f"{url!r} is not the address of a receiver of traces.", "Set MATINEE_TELEMETRY to http://HOST:4318."
        )
    return url if parts.path.strip("/") else url.rstrip("/") + PATH


class Telemetry:
    """Sends spans in a thread of its own; what cannot be sent is logged by the library and dropped.

    Args:
        url: the receiver, `http://host:4318`.
        service: name of the service in the traces.

    Raises:
        InvalidInputError: `url` is not a web address.
        MissingExtraError: the packages are not installed.
    """

    def __init__(self, url: str, service: str) -> None:
        endpoint = _endpoint(url)
        for package in ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
            need(package, "Sending traces", "telemetry")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._resource = Resource.create({"service.name": service, "service.version": __version__})
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT))

    def export(self, context: RequestContext, method: str, route: str, status: int, end: float) -> None:
        """Queue the spans of a finished request; none of a trace whose caller asks for none.

        Args:
            end: by `perf_counter`.
        """
        if not context.flags & SAMPLED:
            return
        from opentelemetry.trace import SpanKind

        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "matinee.request_id": context.request_id,
        }
        epoch = time_ns() - int(1e9 * perf_counter())
        self._put(
            context,
            epoch,
            f"{method} {route}",
            context.span_id,
            context.parent_id,
            (context.started, end),
            SpanKind.SERVER,
            attributes,
            failed=status >= 500,
        )
        for name, start, stop in context.stages or ():
            self._put(context, epoch, name, new_span_id(), context.span_id, (start, stop), SpanKind.INTERNAL, {})

    def _put(
        self,
        context: RequestContext,
        epoch: int,
        name: str,
        span_id: str,
        parent_id: str,
        times: tuple[float, float],
        kind: SpanKind,
        attributes: dict[str, str | int],
        failed: bool = False,
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

        trace_id, flags = int(context.trace_id, 16), TraceFlags(SAMPLED)
        start, end = (epoch + int(1e9 * time) for time in times)
        parent = None
        if parent_id:
            remote = parent_id == context.parent_id
            parent = SpanContext(trace_id, int(parent_id, 16), remote, flags)
        self._processor.on_end(
            ReadableSpan(
                name,
                SpanContext(trace_id, int(span_id, 16), False, flags),
                parent,
                self._resource,
                attributes,
                kind=kind,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=start,
                end_time=end,
                instrumentation_scope=InstrumentationScope("matinee", __version__),
            )
        )

    def close(self) -> None:
        """Send what is queued."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]
