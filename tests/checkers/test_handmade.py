"""Plays written by hand, right and wrong, on every backend: is the reward to be trusted?

`plays/*.toml` holds them; `notation.py` says how one more is written. Wanted: at most one in a hundred wrong plays
accepted, at most two in a hundred right ones refused. What is not judged as it should be is listed here by its name.
"""

from pathlib import Path

import pytest
from notation import cases

from checkers.luck import Luck
from loop import plugins
from loop.types import Part

PLAYS = cases(Path(__file__).parent / "plays")
CHECKERS = [
    plugins.load("checkers", Part(use=use)) for use in ("outcome", "stop", "answer", "dataflow", "economy", "format")
]

OWN = {
    *("GorillaFileSystem", "MathAPI", "MessageAPI", "SQL", "TicketAPI"),
    *("TradingBot", "TravelAPI", "TwitterAPI", "VehicleControlAPI"),
}

EXCEPTIONS = frozenset(
    {
        "maths/spread: a number left out, with the same end",  # the result is the same, and the state has none
    }
)
"""Plays that are judged wrongly today."""


@pytest.mark.parametrize("case", PLAYS, ids=lambda case: f"{'right' if case.right else 'wrong'} {case.name}")
def test_right_plays_are_accepted_and_wrong_ones_refused(case):
    verdicts = [checker.check(case.task, case.trajectory) for checker in CHECKERS]
    against = {verdict.checker: verdict.reason for verdict in verdicts if not verdict.passed}
    assert (not against) is (case.right is (case.name not in EXCEPTIONS)), against
    if case.by and case.name not in EXCEPTIONS:
        assert case.by in against


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_what_is_accepted_wrongly_is_found_out_by_the_audit(name):
    case = next(case for case in PLAYS if case.name == name)
    assert any(not Luck(seed=seed).check(case.task, case.trajectory).passed for seed in range(5))


def test_no_right_play_is_called_luck():
    for case in PLAYS[::4]:
        assert not case.right or Luck().check(case.task, case.trajectory).passed, case.name


def test_there_are_enough_of_both_on_every_backend():
    right, wrong = ([case for case in PLAYS if case.right is kind] for kind in (True, False))
    assert min(len(right), len(wrong)) >= 75
    assert sum(case.name in EXCEPTIONS for case in wrong) <= 0.01 * len(wrong)
    assert sum(case.name in EXCEPTIONS for case in right) <= 0.02 * len(right)
    assert {case.name for case in PLAYS} >= EXCEPTIONS
    for kind in (right, wrong):
        assert {backend for case in kind for backend in case.task.backends} == OWN
