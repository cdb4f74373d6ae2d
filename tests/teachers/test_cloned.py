"""Cloned gold: right by its outcome, blind where a value comes from a result."""

import pytest

from checkers.dataflow import Dataflow
from checkers.outcome import Outcome
from checkers.stop import Stop
from loop import plugins
from loop.errors import FailureKind, ProviderError
from loop.rollout.play import play
from loop.types import Call, From, Part, PlannedCall, Play, Tier, Turn
from task_generators.files import Files
from task_generators.trading import Trading
from teachers.cloned import Cloned

TASKS = [
    generator.make(arm, 3) for generator in (Files(), Trading()) for arm in generator.arms if arm.tier is Tier.MODERATE
]


def played(task):
    return play(Play(id="x", round=1, task=task, player=Part(use="cloned"), player_name="cloned"))


def depends(task):
    return any(isinstance(value, From) for call in task.plan for value in call.arguments.values())


def within_a_turn(task):
    """Whether a call needs what an earlier call of the same turn answers."""
    first = 0
    for turn in task.turns:
        for call in turn.plan:
            if any(isinstance(value, From) and value.step >= first for value in call.arguments.values()):
                return True
        first += len(turn.plan)
    return False


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.arm))
def test_all_calls_of_a_turn_at_once_and_the_outcome_is_right(task):
    trajectory = played(task)
    said = [message for message in trajectory.messages if message.role == "assistant"]
    assert [len(message.calls) for message in said if message.calls] == [len(t.plan) for t in task.turns if t.plan]
    assert len([message for message in said if not message.calls]) == len(task.turns)
    assert all(isinstance(call, Call) for call in trajectory.calls)
    assert Outcome().check(task, trajectory).passed
    assert Stop().check(task, trajectory).passed


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.arm))
def test_it_is_blind_exactly_where_a_turn_needs_its_own_results(task):
    assert Dataflow().check(task, played(task)).passed == (not within_a_turn(task))


def test_both_kinds_were_among_them():
    assert {within_a_turn(task) for task in TASKS} == {True, False}
    assert any(map(depends, TASKS))


def test_a_plan_that_cannot_be_played_is_the_providers_failure():
    task = TASKS[0]
    lost = PlannedCall(name=task.plan[0].name, arguments={"x": From(step=7, path=("nothing",))})
    broken = task.model_copy(update={"turns": (Turn(user="do it", plan=(lost,)),)})
    with pytest.raises(ProviderError) as caught:
        Cloned().open(broken, 0)
    assert caught.value.kind is FailureKind.BAD_INPUT


def test_it_is_found_by_name():
    assert plugins.load("teachers", Part(use="cloned")).name == "cloned"
