"""A whole three-turn BFCL task, played through every teacher by the ordinary rollout, checked and accepted."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from checkers.dataflow import Dataflow
from checkers.economy import Economy
from checkers.format import Format
from checkers.outcome import Outcome
from checkers.stop import Stop
from loop import plugins
from loop.errors import FailureKind
from loop.rollout.play import play
from loop.types import End, Part, Play
from task_generators.backends.bfcl import entries, entry_task
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import knowing

CHECKERS = (Outcome(), Stop(), Dataflow(), Economy(), Format())
ENTRY = "multi_turn_base_0"


@pytest.fixture(scope="module")
def task():
    entry, gold = next(pair for pair in entries("base") if pair[0]["id"] == ENTRY)
    return entry_task(entry, gold)


def owed(task, use, settings, sample=0):
    player = Part(use=use, settings=settings)
    name = plugins.load("teachers", player).name
    return Play(id=f"{use}-{sample}", round=1, task=task, player=player, player_name=name, sample=sample, seed=sample)


def accepted(task, trajectory):
    assert trajectory.failure is None
    assert trajectory.end is End.CLOSED
    verdicts = [checker.check(task, trajectory) for checker in CHECKERS]
    assert [verdict.reason for verdict in verdicts if not verdict.passed] == []


def test_it_is_a_task_of_three_turns_and_more(task):
    assert len(task.turns) >= 3
    assert len(task.plan) >= 6


def test_the_scripted_teacher_is_accepted(task):
    accepted(task, play(owed(task, "scripted", {})))


@pytest.mark.parametrize(
    "settings",
    [{}, {"transport": "app-server"}, {"transport": "app-server", "native_tools": True}],
    ids=["exec", "app-server", "native"],
)
def test_the_codex_teacher_is_accepted(task, codex, fake, settings):
    fake.mind = knowing(task)
    teacher = codex(**settings)
    trajectory = play(owed(task, "codex", teacher.model_dump(mode="json")))
    accepted(task, trajectory)
    assert trajectory.usage.requests == len(task.plan) + len(task.turns)
    assert trajectory.player == "codex-gpt-6.1-sol"


@pytest.mark.parametrize("thinking", [True, False])
def test_the_deepseek_teacher_is_accepted(task, monkeypatch, thinking):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    with FakeDeepSeek(knowing(task)) as api:
        trajectory = play(owed(task, "deepseek", {"base_url": api.url, "thinking": thinking}))
    accepted(task, trajectory)
    assert trajectory.usage.cost > 0
    thoughts = [message.reasoning for message in trajectory.messages if message.calls]
    assert all(thoughts) if thinking else not any(thoughts)


def test_an_openai_shaped_teacher_is_accepted(task):
    with FakeDeepSeek(knowing(task)) as api:
        api.thinks = False
        accepted(task, play(owed(task, "openai_compatible", {"base_url": api.url, "model": "qwen"})))


def test_varied_scripted_plays_of_it_are_accepted_too(task):
    settings = {"look_first": 0.5, "mistake": 0.5, "vary_order": 0.5}
    for sample in range(8):
        trajectory = play(owed(task, "scripted", settings, sample))
        assert [checker.check(task, trajectory).passed for checker in (Outcome(), Stop())] == [True, True]


def test_a_provider_that_fails_half_way_is_no_play_and_keeps_what_was_said(task, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    with FakeDeepSeek(knowing(task)) as api:
        mind = api.mind

        def stopping(messages):
            if len(messages) > 4:
                api.fail("http", status=402)
            return mind(messages)

        api.mind = stopping
        trajectory = play(owed(task, "deepseek", {"base_url": api.url}))
    assert trajectory.end is End.FAILED
    assert trajectory.failure.kind is FailureKind.QUOTA
    assert trajectory.messages
    assert trajectory.usage.requests > 1


def test_sixteen_plays_at_once_are_all_accepted(task):
    with FakeDeepSeek(knowing(task)) as api, ThreadPoolExecutor(16) as pool:
        api.thinks = False
        jobs = [owed(task, "openai_compatible", {"base_url": api.url, "model": "qwen"}, number) for number in range(16)]
        for trajectory in pool.map(play, jobs):
            accepted(task, trajectory)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_sixteen_codex_plays_at_once_are_all_accepted(task, codex, fake, transport):
    fake.mind = knowing(task)
    settings = codex(transport=transport, step_s=60.0).model_dump(mode="json")
    with ThreadPoolExecutor(16) as pool:
        for trajectory in pool.map(play, [owed(task, "codex", settings, number) for number in range(16)]):
            accepted(task, trajectory)


# --- every teacher ---------------------------------------------------------------------------------------------------

BUILT = {"openai_compatible": {"base_url": "http://127.0.0.1:9", "model": "m"}}


@pytest.mark.parametrize("use", plugins.known("teachers"))
def test_every_teacher_keeps_the_contract(use, task):
    part = Part(use=use, settings=BUILT.get(use, {}))
    teacher = plugins.load("teachers", part)
    assert teacher.name
    assert pickle.loads(pickle.dumps(teacher)) == teacher
    assert plugins.load("teachers", Part(use=use, settings=teacher.model_dump(mode="json"))) == teacher
    assert "sk-" not in repr(teacher)
    assert all(name.isupper() for name in teacher.variables)
    worst = teacher.estimate(task)
    if teacher.credential is None:
        assert worst.cost == 0
    else:
        assert worst.requests >= len(task.plan) + len(task.turns)


# --- every generator -------------------------------------------------------------------------------------------------

VARIED = ({"look_first": 1.0}, {"mistake": 1.0}, {"vary_order": 1.0})
OWN = [use for use in plugins.known("task_generators") if use != "bfcl"]
"""Generators of plans that read before they use; many of BFCL's gold answers do not."""


@pytest.mark.slow
@pytest.mark.parametrize("use", OWN)
def test_every_variation_of_every_generators_tasks_is_accepted(use):
    generator = plugins.load("task_generators", Part(use=use))
    for arm in generator.arms[::3]:
        task = generator.make(arm, 1)
        for settings in VARIED:
            accepted(task, play(owed(task, "scripted", settings, 3)))
