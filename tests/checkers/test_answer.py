"""The answer checker reads what a player says at the end of a turn."""

import time
from pathlib import Path

import pytest
from notation import cases

from checkers.answer import Answer
from loop.types import Intent

CLOSINGS = cases(Path(__file__).parent / "closings")


@pytest.mark.parametrize("case", CLOSINGS, ids=lambda case: f"{'right' if case.right else 'wrong'} {case.name}")
def test_right_messages_are_accepted_and_wrong_ones_refused(case):
    verdict = Answer().check(case.task, case.trajectory)
    assert verdict.passed is case.right, verdict.reason


def test_there_are_enough_of_both_and_of_every_intent():
    assert sum(case.right for case in CLOSINGS) >= 60
    assert sum(not case.right for case in CLOSINGS) >= 60
    assert {case.task.turns[-1].intent for case in CLOSINGS} == set(Intent)


PIECES = (
    *(
        "1",
        "1 ",
        "1,",
        "1.",
        '"',
        "'",
        '"a" ',
        "_",
        "`",
        "/a",
        "one ",
        "and ",
        "a hundred ",
        "\n",
        "AAPL ",
        "a.b ",
        "not ",
    ),
    *(
        "no tool ",
        "i have been ",
        "moved ",
        "NVDA, ",
        "227.16 ",
        "AAPL than MSFT ",
        "|",
        "- \n",
        " ",
        "-",
        "June 1 ",
        "to a ",
    ),
    *("have no ", "do not have a ", "tools a b c ", "n't ", "% ", "$1 ", "a", "A", "a-", "a1.", "aB", "\u2019"),
)


@pytest.mark.parametrize("intent", Intent)
def test_reading_is_linear_in_the_message(intent):
    case = next(case for case in CLOSINGS if case.task.turns[-1].intent is intent)
    for piece in PIECES:
        seconds = [spent(case, (piece * (length // len(piece) + 1))[:length]) for length in (3_000, 12_000)]
        assert seconds[1] < 12 * seconds[0] + 1, piece


def spent(case, text):
    messages = (
        *case.trajectory.messages[:-1],
        case.trajectory.messages[-1].model_copy(update={"content": f"x {text}"}),
    )
    began = time.process_time()
    Answer().check(case.task, case.trajectory.model_copy(update={"messages": messages}))
    return time.process_time() - began


def test_a_play_that_ends_early_or_without_a_word_fails_at_its_turn():
    case = next(case for case in CLOSINGS if case.right)
    for messages, kind in ((case.trajectory.messages[:-1], "unclosed"), ((), "unplayed")):
        verdict = Answer().check(case.task, case.trajectory.model_copy(update={"messages": messages}))
        assert (verdict.passed, verdict.evidence) == (False, {"turn": 1, "kind": kind})


def test_a_wrong_closing_dooms_a_play():
    wrong = next(case for case in CLOSINGS if not case.right)
    right = next(case for case in CLOSINGS if case.right)
    assert Answer().doomed(wrong.task, wrong.trajectory)
    assert not Answer().doomed(right.task, right.trajectory)
