"""A play as a person reads it: every argument with where its value came from."""

import io

from rich.console import Console

from checkers.dataflow import Dataflow
from loop.cli import transcript
from loop.store.trajectories import Shown
from loop.types import Call, End, Message, PlannedCall, Task, Trajectory, Turn, Verdict
from loop.ui.reading import spoken


def call(**arguments):
    return Call(name="find", arguments=arguments)


def shown(*, judged=True):
    task = Task(
        generator="toy", family="f", tier="easy", seed=0, backends=("Files",), initial={}, tools=("find",),
        turns=(Turn(user="find ten of a.txt", plan=(PlannedCall(name="find", arguments={"name": "a.txt"}),)),),
        split="train", leak_group="l",
    )  # fmt: skip
    messages = (
        Message(role="system", content="Act."),
        Message(role="user", content="find ten of a.txt"),
        Message(role="assistant", content="", calls=(call(name="a.txt"), call(name="made up"))),
        Message(role="tool", content='{"id": "q-77"}', name="find", ok=True),
        Message(role="tool", content="no such file\x1b[2J", name="find", ok=False),
        Message(role="assistant", content="", calls=(call(name="q-77", where={"deep": ["a.txt"]}),)),
        Message(role="tool", content="{}", name="find", ok=True),
        Message(role="assistant", content="Done."),
    )
    trajectory = Trajectory(task=task.id, player="student", messages=messages, end=End.CLOSED)
    verdicts = (Dataflow().check(task, trajectory),) if judged else ()
    return Shown(id="a" * 64, round=1, task=task, trajectory=trajectory, verdicts=verdicts)


def sources(play):
    return [
        [(argument.name, argument.source) for argument in made.arguments]
        for each in spoken(play)
        for made in each.calls
    ]


def test_arguments_have_their_origins_also_of_two_calls_in_one_message():
    assert sources(shown()) == [
        [("name", "user")],
        [("name", "nowhere")],
        [("name", "result"), ("where", "user")],
    ]


def test_turns_are_numbered_and_linked_by_place():
    said = list(spoken(shown()))
    assert [each.place for each in said] == list(range(8))
    assert [each.turn for each in said] == [0, 1, 1, 1, 1, 1, 1, 1]
    assert [each.place for each in said if each.begins] == [1]


def test_a_play_that_was_not_judged_has_no_origins():
    assert {source for each in sources(shown(judged=False)) for _, source in each} == {None}


def test_evidence_of_another_shape_is_no_crash():
    for evidence in ({"arguments": 3}, {"arguments": [7, {"turn": "x"}, {"turn": 1, "step": 1, "tool": None}]}, {}):
        verdict = Verdict(checker="dataflow", version=1, passed=True, score=1, reason="", evidence=evidence)
        assert sources(shown(judged=False).model_copy(update={"verdicts": (verdict,)}))


def test_the_terminal_shows_them_in_colour_and_no_escape_of_a_tool():
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(transcript.play(shown()))
    printed = console.file.getvalue()
    assert '\x1b[1;7;31m"made up"\x1b[0m' in printed
    assert '\x1b[36m"a.txt"\x1b[0m' in printed
    assert "\x1b[2J" not in printed
