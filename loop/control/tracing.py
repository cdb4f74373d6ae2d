"""Spans of rounds, stages and plays for OpenTelemetry: an extra, off unless `telemetry.traces` names a collector.

A round is one trace, however often the daemon is started again on its way: its ids are digests of the data directory's
identity and the round's number. No message, argument or result is part of a span.

Source: https://opentelemetry.io/docs/specs/otel/trace/api and, for tokens, the semantic conventions of GenAI.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Final, Protocol

from loop.errors import ConfigError
from loop.types import Play, Round, Trajectory

THOUSAND: Final = 1000
"""Nanoseconds of a microsecond."""
NEEDED: Final = "telemetry.traces needs an extra. Type: pip install 'loopd-rest[otel]', or take the setting away"


class Tracing(Protocol):
    """Whoever is told what the loop does."""

    @contextmanager
    def stage(self, rnd: Round) -> Iterator[None]:
        """Tell of a stage, which lasts as long as the block."""
        ...

    def played(self, play: Play, trajectory: Trajectory) -> None:
        """Tell of a play that has ended."""
        ...

    def ended(self, rnd: Round, begun: int) -> None:
        """Tell of a round that has ended; it began at that microsecond."""
        ...


class Silent:
    """Tells nobody."""

    @contextmanager
    def stage(self, rnd: Round) -> Iterator[None]:  # noqa: ARG002 - fixed by the protocol
        """Do nothing."""
        yield

    def played(self, play: Play, trajectory: Trajectory) -> None:
        """Do nothing."""

    def ended(self, rnd: Round, begun: int) -> None:
        """Do nothing."""


class Spans:
    """Tells a collector."""

    def __init__(self, home: str, exporter: Any, *, at_once: bool = False) -> None:  # noqa: ANN401 - of an extra
        """Begin to tell.

        Args:
            home: identity of the data directory.
            exporter: where finished spans go: a `SpanExporter`.
            at_once: whether each goes there when it ends, and not in batches.

        Raises:
            ConfigError: the extra is not installed.
        """
        try:
            from opentelemetry import trace  # noqa: PLC0415 - an extra
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(NEEDED) from error
        version = metadata.version("loopd-rest")
        told = {"service.name": "loopd", "service.version": version, "service.instance.id": home}
        self._home, self._trace, self._ids = home, trace, _ids()
        self._provider = TracerProvider(resource=Resource.create(told), id_generator=self._ids)
        self._provider.add_span_processor((SimpleSpanProcessor if at_once else BatchSpanProcessor)(exporter))
        self._tracer = self._provider.get_tracer("loopd", version)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @contextmanager
    def stage(self, rnd: Round) -> Iterator[None]:
        """Tell of a stage; an error that ends it is part of the span."""
        told = {"loopd.round": rnd.id, "loopd.stage": str(rnd.state), "loopd.attempt": rnd.attempts}
        with self._tracer.start_as_current_span(str(rnd.state), context=self._within(rnd.id), attributes=told):
            yield

    def played(self, play: Play, trajectory: Trajectory) -> None:
        """Tell of a play, as a part of the stage that goes on here, or of its round where none does."""
        begun = trajectory.started * THOUSAND
        stage = self._trace.get_current_span().get_span_context().is_valid
        context = None if stage else self._within(play.round)
        span = self._tracer.start_span("play", context=context, start_time=begun, attributes=_of(play, trajectory))
        if trajectory.failure is not None:
            span.set_status(self._trace.StatusCode.ERROR, str(trajectory.failure.kind))
        span.end(begun + int(trajectory.seconds * 1e9))

    def ended(self, rnd: Round, begun: int) -> None:
        """Tell of a round: its span is the one that its stages named as theirs."""
        self._ids.next = self._numbers(rnd.id)
        told = {"loopd.round": rnd.id, "loopd.end": str(rnd.state), "loopd.reason": rnd.reason or ""}
        nowhere = self._trace.set_span_in_context(self._trace.INVALID_SPAN)
        self._tracer.start_span("round", context=nowhere, start_time=begun * THOUSAND, attributes=told).end()

    def _within(self, number: int) -> Any:  # noqa: ANN401 - of an extra
        """Give a context whose current span is a round's, which has not ended yet."""
        trace_id, span_id = self._numbers(number)
        above = self._trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self._trace.TraceFlags(1))
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(above))

    def _numbers(self, number: int) -> tuple[int, int]:
        """Number a round's trace and its span."""
        drawn = hashlib.sha256(f"{self._home}/{number}".encode()).digest()
        return int.from_bytes(drawn[:16]), int.from_bytes(drawn[16:24])


@contextmanager
def to_collector(address: str, home: str) -> Iterator[Tracing]:
    """Send spans to a collector, by OTLP over HTTP, for as long as the block lasts; nothing where there is none.

    Args:
        address: of the collector's traces, such as http://127.0.0.1:4318/v1/traces. Empty for none.
        home: identity of the data directory.

    Raises:
        ConfigError: the extra is not installed.
    """
    if not address:
        yield Silent()
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(NEEDED) from error
    spans = Spans(home, OTLPSpanExporter(endpoint=address, timeout=5))
    try:
        yield spans
    finally:
        spans.close()


def _of(play: Play, trajectory: Trajectory) -> Mapping[str, str | int | float | bool]:
    usage = trajectory.usage
    return {
        "loopd.play": play.id,
        "loopd.purpose": str(play.purpose),
        "loopd.task": play.task.id,
        "loopd.arm": str(play.task.arm),
        "loopd.player": trajectory.player,
        "loopd.policy": trajectory.policy or "",
        "loopd.end": str(trajectory.end),
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }


def _ids() -> Any:  # noqa: ANN401 - of an extra
    """Draw ids, but for a round's, which are given."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - an extra

    class Ids(RandomIdGenerator):  # type: ignore[misc]  # of an extra
        next: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.next[0] if self.next else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given, self.next = self.next, None
            return given[1] if given else super().generate_span_id()

    return Ids()
