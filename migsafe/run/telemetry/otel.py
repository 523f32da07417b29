"""Sends spans by OTLP over HTTP, as the variables of OpenTelemetry say: the extra `migsafe[otel]`.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import logging
import os
import threading
from collections.abc import Mapping

from migsafe import __version__
from migsafe.run.telemetry.sink import Complain, Sink

FAREWELL_SECONDS = 3.0


def open_spans(
    command: str, complain: Complain, environment: Mapping[str, str] | None = None
) -> tuple[Sink, ...]:
    """The sink for spans; none when the SDK is switched off, or not installed, which is said."""
    environment = os.environ if environment is None else environment
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        from migsafe.run.telemetry.spans import Spans  # noqa: PLC0415 - needs the extra
    except ImportError:
        complain("spans are not sent, though OTEL_EXPORTER_OTLP_ENDPOINT is set: pip install 'migsafe[otel]'")
        return ()
    logging.getLogger("opentelemetry").addHandler(_Once(complain))
    logging.getLogger("opentelemetry").propagate = False
    resource = Resource.create(
        {"service.name": environment.get("OTEL_SERVICE_NAME") or "migsafe", "service.version": __version__}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def flush() -> None:
        # A collector that does not answer is tried for longer than anybody wants to wait for a command.
        thread = threading.Thread(target=provider.shutdown, name="migsafe-spans", daemon=True)
        thread.start()
        thread.join(FAREWELL_SECONDS)
        if thread.is_alive():
            complain("spans: the collector does not answer, the last ones are not sent")

    headers = {name: environment.get(name.upper(), "") for name in ("traceparent", "tracestate")}
    parent = TraceContextTextMapPropagator().extract(
        {name: value for name, value in headers.items() if value}
    )
    return (Spans(provider.get_tracer("migsafe", __version__), command, parent=parent, flush=flush),)


class _Once(logging.Handler):
    """Says the first problem that the SDK logs; the rollout's output is not for its tracebacks."""

    def __init__(self, complain: Complain) -> None:
        super().__init__(logging.WARNING)
        self._complain, self._is_said = complain, False

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, the first time."""
        if not self._is_said:
            self._is_said = True
            self._complain(f"spans: {record.getMessage()}; the rollout goes on")
