"""Whether a flawless candidate could be promoted, by the champion's scores."""

import pytest

from loop.gates.breadth import Breadth
from loop.gates.depth import Depth
from loop.gates.outlook import outlook, view
from loop.types import Entry, GateVerdict, Score, Tier


def suite(tasks, backends=("Files",)):
    return [Entry(task=f"{n:04}", backends=(backends[n % len(backends)],), tier=Tier.EASY) for n in range(tasks)]


def scores(entries, fails):
    return [Score(**entry.model_dump(), sample=0, passed=n >= fails) for n, entry in enumerate(entries)]


@pytest.mark.parametrize(("fails", "possible"), [(0, False), (3, False), (9, False), (11, True), (60, True)])
def test_a_champion_that_fails_little_leaves_nothing_to_show(fails, possible):
    entries = suite(400)
    found = outlook([view(Depth(), entries, scores(entries, fails), 1)])
    assert found.open is possible
    assert f"depth: the champion fails {fails} of 400 tasks" in found.reason


def test_a_suite_that_is_too_small_to_show_that_nothing_was_lost_says_so():
    entries = suite(40, ("A", "B"))
    seen = view(Breadth(), entries, scores(entries, 1), 1)
    assert seen.verdict is GateVerdict.INCONCLUSIVE
    found = outlook([seen])
    assert not found.open
    assert "too few tasks show that nothing was lost" in found.reason


def test_one_gate_with_something_to_gain_is_enough():
    much, little = suite(400), suite(300)
    views = [view(Depth(), much, scores(much, 0), 1), view(Breadth(), little, scores(little, 20), 1)]
    assert outlook(views).open


def test_what_has_not_been_played_counts_as_the_tasks_of_its_arm_went():
    entries = suite(400)
    seen = view(Depth(), entries, scores(entries, 5)[:100], 1)
    assert (seen.measured, seen.failed) == (100, 20)
    assert outlook([seen]).open
    assert not outlook([view(Depth(), entries, scores(entries, 1)[:100], 1)]).open


def test_an_arm_that_was_never_played_may_hold_a_gain():
    entries = suite(300) + [Entry(task=f"x{n}", backends=("New",), tier=Tier.HARD) for n in range(40)]
    assert outlook([view(Depth(), entries, scores(entries, 0)[:300], 1)]).open


def test_without_any_score_nothing_is_ruled_out():
    found = outlook([view(Depth(), suite(60), [], 1)])
    assert found.open
    assert "not measured yet" in found.reason
