"""Between turns a checker says that a play is doomed exactly where its verdict on the whole play finds a turn wrong."""

import pytest

from checkers.outcome import Outcome
from checkers.stop import Stop
from loop.types import Rule, Split
from task_generators.backends.mutants import gold_script, mutants, played
from task_generators.files import Files
from task_generators.trading import Trading

HURRIED = Rule(name="hurried", steps_per_turn=1)
REFEREES = [Outcome(), Outcome(abstain=False, exact_numbers=True), Stop(), Stop(rule=HURRIED)]


def tasks():
    for generator in (Files(), Trading()):
        for arm in generator.arms:
            if arm.family in {"tidy", "notes", "orders"}:
                yield generator.make(arm, 11, Split.TRAIN)


def until(trajectory, turns):
    """The first turns of a play, as they stand before the next user message."""
    begins = [place for place, message in enumerate(trajectory.messages) if message.role == "user"]
    end = begins[turns] if turns < len(begins) else None
    return trajectory.model_copy(update={"messages": trajectory.messages[:end]})


@pytest.mark.parametrize("referee", REFEREES, ids=repr)
def test_a_play_is_doomed_from_the_turn_on_that_fails_it(referee):
    doomed = 0
    for task in tasks():
        right = gold_script(task)
        for _, script in [("right", right), *mutants(right, 3, {})]:
            whole = played(task, script)
            wrong = referee.check(task, whole).evidence.get("turn", len(task.turns) + 1)
            for turns in range(1, len(task.turns) + 1):
                assert referee.doomed(task, until(whole, turns)) is (turns >= wrong)
                doomed += turns >= wrong
    assert doomed


def test_a_turn_that_was_not_played_dooms_nothing(task, plays):
    play = plays.make(task, plays.right()[:1])
    assert not Outcome().check(task, play).passed
    assert not Stop().check(task, play).passed
    assert not Outcome().doomed(task, play)
    assert not Stop().doomed(task, play)
