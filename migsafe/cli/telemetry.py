"""The options by which a command tells other programs what it does, and what opens the senders."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.errors import MigsafeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from migsafe.rollout.outcome import Outcome
    from migsafe.run.events import Event
    from migsafe.run.telemetry.costs import Costs
    from migsafe.run.telemetry.sink import Sink, Telemetry

EXIT_ERROR, EXIT_INTERRUPTED = 2, 130
FLEET_VARIABLE = "MIGSAFE_FLEET_DATABASE"  # set by `migsafe fleet` for the process of each database

EVENTS = typer.Option(
    None,
    "--events",
    metavar="FILE",
    help="Append what happens to this file, one JSON object a line; - for standard output (what is for "
    "people goes to standard error then), fd:N for an open file descriptor.",
)
METRICS = typer.Option(
    None,
    "--metrics",
    metavar="[HOST:]PORT",
    help="Serve Prometheus metrics at http://HOST:PORT/metrics. [default host: 127.0.0.1]",
)
METRICS_PUBLIC = typer.Option(
    False, "--metrics-public", help="Other hosts may read the metrics: needed for any host but loopback."
)
WEBHOOK = typer.Option(
    [],
    "--webhook",
    metavar="URL",
    help="Send what matters to this URL, signed with the secret in MIGSAFE_WEBHOOK_SECRET. Repeatable.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the options of a command say. `urgent`: what cannot be opened is said, and stops nothing."""

    command: str
    events: str | None = None
    metrics: str | None = None
    metrics_public: bool = False
    webhooks: tuple[str, ...] = ()
    urgent: bool = False

    def text_to_stderr(self, output_format: OutputFormat) -> bool:
        """Whether standard output belongs to the events.

        Raises:
            UsageError: It would have to hold two things.
        """
        if self.events != "-":
            return False
        if output_format is OutputFormat.JSON:
            raise UsageError(
                "--events - and --format json would both write to standard output",
                advice="Give --events a file, or leave --format away: the event run_ended says how it ended.",
            )
        return True


def _costs() -> "Costs":
    from migsafe.run.telemetry.costs import Costs

    return Costs()


class Teller:
    """Observes one command for its senders, and says how it ended."""

    def __init__(self, command: str, telemetry: "Telemetry") -> None:
        self._command, self._telemetry = command, telemetry
        self._began = time.monotonic()
        self._costs = _costs()

    def __call__(self, event: "Event") -> None:
        """Tell one event."""
        self._costs(event)
        self._telemetry(event)

    def ended(self, outcome: "Outcome") -> None:
        """Tell where the rollout stands now."""
        self.finished(
            state=outcome.state.value,
            ok=outcome.ok,
            reason=outcome.reason,
            outcome=outcome,
        )

    def finished(self, *, state: str, ok: bool, reason: str = "", outcome: "Outcome | None" = None) -> None:
        """Tell how the command ended; one that only worked for a runner has no outcome."""
        from migsafe.run.events import RunEnded

        self(
            RunEnded(
                command=self._command,
                stage=outcome.stage if outcome else None,
                state=state,
                green_percent=outcome.green_percent if outcome else None,
                ok=ok,
                reason=reason,
                seconds=time.monotonic() - self._began,
                rows=self._costs.rows,
                throttled_seconds=sum(self._costs.throttled.values()),
                blocked_seconds=self._costs.blocked_seconds,
            )
        )

    def failed(self, error: BaseException) -> None:
        """Tell why there is no outcome."""
        from migsafe.run.events import RunFailed

        interrupted = isinstance(error, KeyboardInterrupt)
        self(
            RunFailed(
                command=self._command,
                error="Interrupted" if interrupted else type(error).__name__,
                message=error.message if isinstance(error, MigsafeError) else str(error),
                advice=error.advice if isinstance(error, MigsafeError) else "",
                exit_code=EXIT_INTERRUPTED if interrupted else EXIT_ERROR,
                seconds=time.monotonic() - self._began,
            )
        )


@contextmanager
def telling(wanted: Wanted) -> Iterator[Teller]:
    """Open all senders, and close them when the block ends; an error that ends it is told as well.

    Raises:
        UsageError: One of them cannot be opened. Nothing of the rollout was done.
    """
    from migsafe.run.telemetry.sink import Telemetry

    sinks, closers = _open(wanted)
    telemetry = Telemetry(sinks, _complain, fleet_database=os.environ.get(FLEET_VARIABLE) or None)
    teller = Teller(wanted.command, telemetry)
    try:
        yield teller
    except (Exception, KeyboardInterrupt) as error:
        if not isinstance(error, typer.Exit):
            teller.failed(error)
        raise
    finally:
        telemetry.close()
        for close in closers:
            with suppress(Exception):
                close()


def _open(wanted: Wanted) -> "tuple[tuple[Sink, ...], list[Callable[[], None]]]":
    sinks: list[Sink] = []
    closers: list[Callable[[], None]] = []
    try:
        for make in (_streams, _webhooks, _metrics, _spans):
            try:
                make(wanted, sinks, closers)
            except UsageError as error:
                if not wanted.urgent:
                    raise
                _complain(f"{error.message}; going on without it")
    except UsageError:
        for sink in sinks:
            sink.close()
        raise
    return tuple(sinks), closers


def _streams(wanted: Wanted, sinks: "list[Sink]", closers: "list[Callable[[], None]]") -> None:
    del closers
    if wanted.events is not None:
        from migsafe.run.telemetry.stream import open_stream

        sinks.append(open_stream(wanted.events, _complain))


def _webhooks(wanted: Wanted, sinks: "list[Sink]", closers: "list[Callable[[], None]]") -> None:
    del closers
    from migsafe.config.read import load_config

    configured = load_config().webhooks
    if configured or wanted.webhooks:
        from migsafe.config.webhooks import WebhookSettings
        from migsafe.run.telemetry.webhook import open_webhook

        for settings in (*configured, *(WebhookSettings(url=url) for url in wanted.webhooks)):
            sinks.append(open_webhook(settings, _complain))


def _metrics(wanted: Wanted, sinks: "list[Sink]", closers: "list[Callable[[], None]]") -> None:
    if wanted.metrics is not None:
        from migsafe.run.telemetry.endpoint import open_endpoint
        from migsafe.run.telemetry.metrics import Metrics

        metrics = Metrics()
        closers.append(open_endpoint(wanted.metrics, metrics.text, public=wanted.metrics_public).close)
        sinks.append(metrics)


def _spans(wanted: Wanted, sinks: "list[Sink]", closers: "list[Callable[[], None]]") -> None:
    del closers
    if any(os.environ.get(name) for name in _OTEL_VARIABLES):
        from migsafe.run.telemetry.otel import open_spans

        sinks.extend(open_spans(wanted.command, _complain))


_OTEL_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def _complain(text: str) -> None:
    """Say it on standard error, if there is one left."""
    with suppress(OSError, ValueError):
        typer.echo(f"warning: {text}", err=True)
