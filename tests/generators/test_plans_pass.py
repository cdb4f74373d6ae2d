"""The scripted play of any generated task passes every checker; a play that does nothing passes none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.answer import Answer
from checkers.dataflow import Dataflow
from checkers.economy import Economy
from checkers.format import Format
from checkers.outcome import Outcome
from checkers.stop import Stop
from loop.plugins import find, known, load
from loop.rollout.play import play
from loop.types import Part, Play, Split, Task, Trajectory
from task_generators.writing.generator import Generator

ARMS = [
    (generator, arm)
    for name in known("task_generators")
    if issubclass(find("task_generators", name), Generator)
    for generator in [load("task_generators", Part(use=name))]
    for arm in generator.arms
]
CHECKERS = (Outcome(), Dataflow(), Stop(), Economy(), Format(), Answer())


def played(task: Task) -> Trajectory:
    """Let the scripted teacher play."""
    return play(Play(id="1", round=1, task=task, player=Part(use="scripted"), player_name="scripted"))


def objections(task: Task, trajectory: Trajectory) -> list[str]:
    """Say what the checkers have against a play."""
    verdicts = [checker.check(task, trajectory) for checker in CHECKERS]
    return [f"{verdict.checker}: {verdict.reason}" for verdict in verdicts if not verdict.passed]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([pair for pair in ARMS if "SQL" not in pair[1].backends]),
    st.integers(0, 2**31),
    st.sampled_from(list(Split)),
)
def test_the_scripted_play_passes_every_checker(pair, seed, split):
    generator, arm = pair
    task = generator.make(arm, seed, split)
    assert objections(task, played(task)) == []


@pytest.mark.parametrize(
    ("generator", "arm"), [pair for pair in ARMS if "SQL" in pair[1].backends and pair[1].tier == "moderate"], ids=str
)
def test_the_scripted_play_of_a_database_passes_every_checker(generator, arm):
    task = generator.make(arm, 11)
    assert objections(task, played(task)) == []
