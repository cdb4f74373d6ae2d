"""What a measurement depends on is in its fingerprint, and nothing else is: old scores never stand for other ones."""

import pytest

from loop import config, parts, plugins
from loop.config import Teaching
from loop.control import progress
from loop.runtime.signals import StopRequest
from loop.stages import evaluation
from loop.testing import FakeGpu
from task_generators.suites import suite

OUTCOME = {"use": "outcome"}


@pytest.fixture
def mark(rehearsal):
    """The fingerprint of a player's plays under some settings; of the student's where no player is named."""

    def fingerprint(player=None, **settings):
        chosen = config.load(rehearsal.places, "quickstart", settings, {})
        shown = progress.Board(rehearsal.places.run, chosen.profile)
        with parts.build(chosen, rehearsal.places, shown, StopRequest(), gpu=FakeGpu()) as loop:
            return evaluation.fingerprint(loop, suite("rehearsal-depth"), player)

    return fingerprint


def deepseek(**settings):
    return Teaching(use="deepseek", settings=settings)


def test_whatever_changes_an_answer_of_the_student_or_its_verdict_changes_the_fingerprint(mark):
    others = (
        {"student": {"max_tokens": 17}},
        {"student": {"temperature": 0.1}},
        {"student": {"top_p": 0.5}},
        {"student": {"constrained": True}},
        {"student": {"player": "loop.student.client:Student"}},
        {"gating": {"temperature": 0.5}},
        {"rule": {"steps_per_turn": 3}},
        {"plays": {"stop_doomed": False}},
        {"checkers": [OUTCOME, {"use": "stop"}]},
        {"checkers": [{**OUTCOME, "settings": {"abstain": False}}]},
    )
    assert len({mark(), *(mark(**settings) for settings in others)}) == len(others) + 1


def test_what_changes_no_answer_does_not(mark):
    same = ({"seed": 9}, {"student": {"max_rows": 3, "prefix_mib": 0}}, {"training": {"rank": 2}}, {"rounds": 7})
    assert {mark(), *(mark(**settings) for settings in same)} == {mark()}


def test_a_teachers_settings_are_conditions_but_not_how_it_is_reached_and_paid(mark):
    asked = mark(deepseek())
    assert (
        asked == mark(deepseek(step_s=9.0, key_env="OTHER", holidays=["2026-10-01"])) == mark(deepseek(thinking=True))
    )
    assert asked == mark(deepseek(), student={"temperature": 0.1}), "the student's sampling is not the teacher's"
    others = [deepseek(effort="max"), deepseek(thinking=False), deepseek(max_tokens=100), Teaching(use="codex")]
    marks = {mark(), asked, mark(deepseek(), student={"system": "Other."}), *map(mark, others)}
    assert len(marks) == len(others) + 3


@pytest.mark.parametrize("use", plugins.known("teachers"))
def test_what_a_teacher_leaves_out_are_settings_of_its_own(use):
    teacher = plugins.find("teachers", use)
    assert teacher.aside <= teacher.model_fields.keys()
