import json
from itertools import pairwise

import pytest

from loop.errors import FailureKind, ProviderError
from loop.plan import closing, run
from loop.rollout.play import Transcript, converse
from loop.types import OFFICIAL, Call, Catalogue, End, From, PlannedCall, Task, Tier, Turn
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world
from task_generators.files import Files
from task_generators.trading import Trading
from teachers.script.steps import UNPLAYED, in_plan_order, script_of
from teachers.script.variations import rehearse
from teachers.scripted import Scripted

TASKS = [
    generator.make(arm, seed)
    for generator in (Files(), Trading())
    for arm in generator.arms
    if arm.tier in {Tier.MODERATE, Tier.HARD}
    for seed in range(2)
]


def played(task, player, seed=0):
    transcript, world = Transcript(), open_world(task.backends, task.initial)
    tools = catalogue(task.tools, task.backends)
    end = converse(player.open(task, seed), task, world, tools, rule=OFFICIAL, into=transcript)
    return end, transcript.messages, world


def told(task):
    """What a turn's closing tells, its values taken from the results of the plan."""
    results, texts = [], []
    for turn, (_, answers) in zip(task.turns, run(task, open_world(task.backends, task.initial)), strict=True):
        results += answers
        texts.append(closing(turn, results))
    return texts


def calls(messages):
    return [call for message in messages for call in message.calls]


def made(share_of):
    return [played(task, share_of, seed=3) for task in TASKS]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.arm))
def test_every_step_is_one_call_and_every_turn_closes_without_one(task):
    end, messages, _ = played(task, Scripted())
    assert end is End.CLOSED
    assert [call.name for call in calls(messages)] == [step.name for step in task.plan]
    assert all(len(message.calls) <= 1 for message in messages)
    closings = [message for message in messages if message.role == "assistant" and not message.calls]
    assert [message.content for message in closings] == told(task)


def test_a_plan_that_is_said_names_the_turns_calls_and_changes_none():
    for task in TASKS:
        _, messages, _ = played(task, Scripted(say_plan=True))
        _, plain, _ = played(task, Scripted())
        firsts = [after for before, after in pairwise(messages) if before.role == "user"]
        said = [message.content for message in firsts if message.calls]
        assert said == [
            f"Plan: {json.dumps([call.name for call in turn.plan])[1:-1]}" for turn in task.turns if turn.plan
        ]
        silent = [message.model_copy(update={"content": ""}) if message.calls else message for message in messages]
        assert silent == list(plain)


@pytest.mark.parametrize("setting", ["look_first", "mistake"])
def test_a_varied_play_ends_in_the_state_of_the_plain_one(setting):
    player = Scripted(**{setting: 1.0})
    changed = 0
    for task in TASKS:
        end, messages, world = played(task, player, seed=3)
        _, plain, right = played(task, Scripted())
        assert end is End.CLOSED
        assert world.everything() == right.everything()
        changed += calls(messages) != calls(plain)
    assert changed > len(TASKS) / 4, "the setting does nothing"


def file_task(*plan):
    return Task(
        generator="files", family="written", tier=Tier.MODERATE, seed=0, backends=("GorillaFileSystem",),
        initial={"GorillaFileSystem": {"root": {"workspace": {"type": "directory", "contents": {}}}}},
        tools=("ls", "cd", "mkdir", "touch"), turns=(Turn(user="Do it.", plan=plan),), leak_group="x",
    )  # fmt: skip


def orders(task):
    player = Scripted(vary_order=1.0)
    return {tuple(str(call.arguments) for call in calls(played(task, player, seed)[1])) for seed in range(20)}


def test_independent_calls_come_in_other_orders():
    plan = [PlannedCall(name="mkdir", arguments={"dir_name": name}) for name in "abc"]
    assert len(orders(file_task(*plan))) > 3


def test_calls_that_hang_together_by_state_alone_keep_their_order():
    plan = (
        PlannedCall(name="mkdir", arguments={"dir_name": "a"}),
        PlannedCall(name="cd", arguments={"folder": "a"}),
        PlannedCall(name="touch", arguments={"file_name": "b"}),
    )
    assert len(orders(file_task(*plan))) == 1


def test_a_mistake_is_an_error_that_is_read_and_mended():
    for task, (_, messages, _) in zip(TASKS, made(Scripted(mistake=1.0)), strict=True):
        faults = [place for place, message in enumerate(messages) if message.ok is False]
        extra = len(calls(messages)) - len(task.plan)
        assert len(faults) == extra <= 1
        for place in faults:
            repaired = messages[place + 1].calls[0]
            slip = messages[place - 1].calls[0]
            assert repaired.name == slip.name
            assert dict(slip.arguments).items() < dict(repaired.arguments).items()


def test_a_look_is_never_one_of_the_plans_calls():
    for task, (_, messages, _) in zip(TASKS, made(Scripted(look_first=1.0)), strict=True):
        extra = [call for call in calls(messages) if call.name not in {step.name for step in task.plan}]
        assert len(extra) <= 1
        assert all(not call.arguments for call in extra)


def test_the_same_seed_plays_the_same_and_another_does_not():
    player = Scripted(look_first=0.5, mistake=0.5, vary_order=0.5)
    once, again, other = ([calls(played(task, player, seed)[1]) for task in TASKS] for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_results_stand_in_the_order_of_the_plan_whatever_the_order_of_play():
    task = TASKS[0]
    script = script_of(task)
    assert in_plan_order(script, []) == ()
    backwards = (tuple(reversed(script[0])), *script[1:])
    world = open_world(task.backends, task.initial)
    first = world.call(Call(name=backwards[0][0].call.name))
    ordered = in_plan_order(backwards, [first])
    assert ordered[-1] == first
    assert all(result == UNPLAYED for result in ordered[:-1])


def test_a_plan_that_cannot_be_played_is_reported_and_is_no_bad_play():
    broken = PlannedCall(name="cat", arguments={"file_name": From(step=0, path=("nothing",))})
    turn = Turn(user="Show it.", plan=(PlannedCall(name="ls"), broken))
    task = Task(
        generator="files", family="broken", tier=Tier.EASY, seed=0, backends=("GorillaFileSystem",),
        initial=TASKS[0].initial, tools=("ls", "cat"), turns=(turn,), leak_group="x",
    )  # fmt: skip
    assert rehearse(task, script_of(task)) is None
    for player in (Scripted(), Scripted(mistake=1.0, look_first=1.0, vary_order=1.0)):
        with pytest.raises(ProviderError, match=r"cannot be played.*cat") as caught:
            played(task, player)
        assert caught.value.kind is FailureKind.BAD_INPUT


def test_the_catalogue_plays_no_part():
    chat = Scripted().open(TASKS[0], 0)
    _, messages, _ = played(TASKS[0], Scripted())
    first = next(place for place, message in enumerate(messages) if message.role == "assistant")
    assert chat.reply(messages[:first], Catalogue()).message == messages[first]
