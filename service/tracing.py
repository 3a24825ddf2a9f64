"""Traces by OpenTelemetry. They are off unless a setting asks for them, and then nothing of it is imported.

A trace begins with a request and ends with the last flush of its job. The job's row keeps where that belongs
(`traceparent`, as W3C Trace Context writes it), so that every attempt goes on with it, whichever process makes it.
What lasts long has no span of its own: one that a killed process had not ended would be missing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import time_ns
from typing import TYPE_CHECKING, Any

from service.settings import Settings
from slope import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

tracer: "Tracer | None" = None
"""None where there are no traces: whoever looks at it first calls nothing."""
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
"""Whose names the attributes have."""
_EXPORT_MS = 1000
_SERVER_ERROR = 500


def begin_tracing(settings: Settings, role: str) -> None:
    """Send what this process does to where OTEL_EXPORTER_OTLP_ENDPOINT says, if the settings ask for it."""
    if not settings.tracing:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    trace_with(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=_EXPORT_MS), role)


def trace_with(processor: "SpanProcessor", role: str) -> None:
    """Let a processor have the spans of this process."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    global tracer
    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", f"slope-{role}"), "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(named, schema_url=SCHEMA))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("slope", __version__, schema_url=SCHEMA)


@contextmanager
def request_span(method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Iterator["Span"]:
    """Of a request, in the trace that it names, or in a new one."""
    from opentelemetry.trace import SpanKind

    assert tracer
    given = next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), None)
    attributes = {"http.request.method": method, "url.path": path}
    with tracer.start_as_current_span(method, _context(given), SpanKind.SERVER, attributes) as span:
        yield span


def end_request(span: "Span", method: str, route: str, status: int) -> None:
    """Say how the request was answered, before its span ends."""
    from opentelemetry.trace import StatusCode

    span.update_name(f"{method} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= _SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


def trace_columns() -> dict[str, Any]:
    """Where a new job belongs, as a column of it; none without traces."""
    if tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {"traceparent": carrier.get("traceparent")}


@contextmanager
def attempt_spans(traceparent: str | None, waiting_since: datetime, names: Mapping[str, Any]) -> Iterator[None]:
    """That a job has waited and is claimed now. What the block does belongs to that claim."""
    if tracer is None or traceparent is None:
        yield
        return
    from opentelemetry.trace import SpanKind, use_span

    attributes = {f"slope.{name}": value for name, value in names.items()}
    context, moment = _context(traceparent), time_ns()
    since = min(moment, int(waiting_since.timestamp() * 1e9))
    tracer.start_span("queued", context, attributes=attributes, start_time=since).end(moment)
    claim = tracer.start_span("claim", context, SpanKind.CONSUMER, attributes, start_time=moment)
    claim.end()
    with use_span(claim, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield


def note_span(name: str, began: int, context: Any = None, **attributes: Any) -> None:
    """What has been done since a moment, in nanoseconds, for the job of this context, or of another."""
    from opentelemetry.trace import get_current_span

    assert tracer
    if get_current_span(context).get_span_context().is_valid:
        named = {f"slope.{key}": value for key, value in attributes.items()}
        tracer.start_span(name, context, attributes=named, start_time=began).end()


def current_context() -> Any:
    """To be given to `note_span` later."""
    from opentelemetry.context import get_current

    return get_current()


def _context(traceparent: str | None) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent} if traceparent else {})
