"""Calls held to the tools on offer are another condition of measurement, asked for by name."""

from loop import config, parts
from loop.control import progress
from loop.runtime.signals import StopRequest
from loop.stages import evaluation
from loop.testing import FakeGpu
from task_generators.suites import suite


def marked(rehearsal, student):
    """The fingerprint of a measurement, and what a worker is told of the student."""
    chosen = config.load(rehearsal.places, "quickstart", {"student": student}, {})
    shown = progress.Board(rehearsal.places.run, chosen.profile)
    with parts.build(chosen, rehearsal.places, shown, StopRequest(), gpu=FakeGpu()) as loop:
        return evaluation.fingerprint(loop, suite("rehearsal-depth")), loop.config.student.part(0.0).settings


def test_scores_with_and_without_do_not_compare_and_the_player_is_told(rehearsal):
    (free, unasked), (off, _), (held, asked) = (
        marked(rehearsal, student) for student in ({}, {"constrained": False}, {"constrained": True})
    )
    assert free == off != held
    assert asked == {**unasked, "constrained": True}
    assert "constrained" not in unasked


def test_a_teacher_cannot_be_held(rehearsal):
    said = rehearsal.loopd("suite", "run", "rehearsal-depth", "--player", "scripted", "--constrained", code=1)
    assert "--constrained is for the student" in said
