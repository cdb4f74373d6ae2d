"""Spans: a round is one trace with its stages and plays, also over a kill; off, nothing of OpenTelemetry is loaded."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from loop import config, daemon, parts
from loop.control import progress, tracing
from loop.errors import ConfigError
from loop.runtime.signals import StopRequest
from loop.testing import FakeGpu
from loop.types import End, Failure, Part, Play, Policy, Round, RoundState, Task, Trajectory, Turn, Usage

POLICY = Policy(base="b", system="s", template="t")


@pytest.fixture
def kept():
    return InMemorySpanExporter()


def test_a_round_is_one_trace_of_stages_and_plays(rehearsal, kept):
    chosen = config.load(rehearsal.places, "quickstart", {"rounds": 1}, {})
    spans = tracing.Spans("home", kept, at_once=True)
    board = progress.Board(rehearsal.places.run, chosen.profile)
    with parts.build(chosen, rehearsal.places, board, StopRequest(), gpu=FakeGpu(), tracing=spans) as loop:
        daemon.run(loop)
    found = kept.get_finished_spans()
    (rnd,) = [span for span in found if span.name == "round"]
    assert rnd.parent is None
    assert {span.context.trace_id for span in found} == {rnd.context.trace_id}
    stages = {span.context.span_id: span for span in found if "loopd.stage" in span.attributes}
    assert [span.name for span in stages.values()][:3] == ["sample", "collect", "check"]
    assert {span.parent.span_id for span in stages.values()} == {rnd.context.span_id}
    plays = [span for span in found if span.name == "play"]
    assert {stages[span.parent.span_id].name for span in plays} == {"collect", "gate"}
    with rehearsal.store() as store, store.database.read() as connection:
        ids = set(connection.exec_driver_sql("select id from trajectory").scalars())
    assert {span.attributes["loopd.play"] for span in plays} == ids
    assert all(span.end_time >= span.start_time for span in found)


def test_what_failed_says_so_and_what_was_said_is_no_part(kept):
    spans = tracing.Spans("home", kept, at_once=True)
    task = Task(
        generator="toy", family="toy", tier="easy", seed=1, backends=("Toy",), initial={}, tools=(),
        turns=(Turn(user="do a secret thing"),), leak_group="1",
    )  # fmt: skip
    play = Play(id="p", round=1, task=task, player=Part(use="student"), player_name="student", policy=POLICY.id)
    failure = Failure(kind="quota", message="a secret wait")
    usage = Usage(prompt_tokens=7, completion_tokens=2)
    spans.played(play, Trajectory(task=task.id, player="student", end=End.FAILED, failure=failure, usage=usage))
    (span,) = kept.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "quota")
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["loopd.play"]) == (7, "p")
    assert "secret" not in span.to_json()
    with spans.stage(Round(id=1, state=RoundState.GATE, seed=0, config="c")):
        pass
    stage = kept.get_finished_spans()[-1]
    assert (span.context.trace_id, span.parent.span_id) == (stage.context.trace_id, stage.parent.span_id)


def test_a_round_that_is_entered_again_is_the_same_trace(kept):
    rnd = Round(id=3, state=RoundState.TRAIN, seed=0, config="c")
    with pytest.raises(ZeroDivisionError), tracing.Spans("home", kept, at_once=True).stage(rnd):
        raise ZeroDivisionError
    again = tracing.Spans("home", kept, at_once=True)
    with again.stage(rnd):
        pass
    again.ended(rnd, begun=1)
    with tracing.Spans("another", kept, at_once=True).stage(rnd):
        pass
    first, second, whole, other = kept.get_finished_spans()
    assert first.status.status_code is StatusCode.ERROR
    assert first.context.trace_id == second.context.trace_id == whole.context.trace_id != other.context.trace_id
    assert first.parent.span_id == second.parent.span_id == whole.context.span_id
    assert first.context.span_id != second.context.span_id


def test_off_it_loads_nothing():
    script = "import sys, loop.control.tracing; sys.exit(any('opentelemetry' in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_the_extra_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(ConfigError, match=r"loopd-rest\[otel\]"),
        tracing.to_collector("http://127.0.0.1:1/v1/traces", "home"),
    ):
        pass
