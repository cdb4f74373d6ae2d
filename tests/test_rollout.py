"""A play: call, read, use; and what happens when a player or its provider does not."""

from collections.abc import Sequence

import pytest

from loop.errors import ConfigError, FailureKind, ProviderError
from loop.plugins import known, load
from loop.rollout.play import Transcript, converse, play, text_of
from loop.store.rows import spell
from loop.types import (
    Call,
    Catalogue,
    Chat,
    End,
    Message,
    Part,
    Play,
    Record,
    Reply,
    Result,
    Rule,
    Split,
    Trajectory,
    Usage,
)
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world
from task_generators.files import Files
from task_generators.suites import suite

ARM = next(arm for arm in Files().arms if arm.family == "tidy" and arm.tier == "moderate")


def task(seed=7):
    return Files().make(ARM, seed, Split.TRAIN)


def owed(part, **changes):
    return Play(id="p", round=1, task=task(), player=part, player_name=part.use, **changes)


class Says(Record):
    """Says the same for ever; `calls` of them are calls."""

    message: Message

    def reply(self, _messages: Sequence[Message], _catalogue: Catalogue) -> Reply:
        return Reply(message=self.message, usage=Usage(requests=1, completion_tokens=2))


class FailsAt:
    """Answers `answers` times, then its provider is gone."""

    def __init__(self, chat: Chat, answers: int) -> None:
        self.chat, self.answers = chat, answers

    def reply(self, messages, offered):
        if not self.answers:
            raise ProviderError(FailureKind.QUOTA, "no more", retry_at=12.5)
        self.answers -= 1
        return self.chat.reply(messages, offered)


def talk(chat, steps=20):
    subject, transcript = task(), Transcript()
    world = open_world(subject.backends, subject.initial)
    offered = catalogue(subject.tools, subject.backends)
    end = converse(chat, subject, world, offered, rule=Rule(steps_per_turn=steps), system="Act.", into=transcript)
    return end, transcript


def test_the_scripted_teacher_calls_reads_and_uses():
    trajectory = play(owed(Part(use="scripted"), system="Act."))
    assert trajectory.end is End.CLOSED
    assert [call.name for call in trajectory.calls] == [call.name for call in task().plan]
    assert all(message.ok for message in trajectory.messages if message.role == "tool")
    roles = [message.role for message in trajectory.messages]
    assert roles[:2] == ["system", "user"]
    assert roles.count("user") == len(task().turns)
    for before, message in zip(trajectory.messages, trajectory.messages[1:], strict=False):
        assert message.role != "tool" or before.role in {"assistant", "tool"}


def test_who_only_talks_ends_every_turn_at_once():
    end, transcript = talk(Says(message=Message(role="assistant", content="Done.")))
    assert end is End.CLOSED
    assert transcript.usage.requests == len(task().turns)


def test_who_never_stops_reaches_the_cap_and_plays_no_further_turn():
    call = Call(name="ls", arguments={})
    end, transcript = talk(Says(message=Message(role="assistant", content="", calls=(call,))), steps=3)
    assert end is End.CAP
    assert [message.role for message in transcript.messages] == ["system", "user", *["assistant", "tool"] * 3]


def test_every_call_of_a_message_gets_its_result_in_order():
    calls = (Call(name="ls"), Call(name="no_such_tool"), Call(name="ls"))
    _, transcript = talk(Says(message=Message(role="assistant", content="", calls=calls)), steps=1)
    results = [message for message in transcript.messages if message.role == "tool"]
    assert [(result.name, result.ok) for result in results] == [("ls", True), ("no_such_tool", False), ("ls", True)]


def test_a_provider_that_fails_half_way_is_recorded_and_what_was_said_is_kept():
    transcript = Transcript()
    subject = task()
    world = open_world(subject.backends, subject.initial)
    with pytest.raises(ProviderError):
        converse(
            FailsAt(Says(message=Message(role="assistant", content="Done.")), 1),
            subject,
            world,
            catalogue(subject.tools, subject.backends),
            rule=Rule(),
            into=transcript,
        )
    assert [message.role for message in transcript.messages] == ["user", "assistant", "user"]


def test_play_returns_a_providers_failure(tmp_path):
    settings = {"url": "http://127.0.0.1:9", "token_file": str(tmp_path / "none"), "policy": "p"}
    trajectory = play(owed(Part(use="loop.student.client:Student", settings=settings), policy="p"))
    assert trajectory.end is End.FAILED
    assert trajectory.failure is not None
    assert trajectory.failure.kind is FailureKind.LOST


def test_an_unknown_player_is_a_configuration_error_that_lists_the_known():
    with pytest.raises(ConfigError, match=r"no 'scriptd'.*Did you mean 'scripted'"):
        play(owed(Part(use="scriptd")))
    with pytest.raises(ConfigError, match="setting"):
        load("teachers", Part(use="scripted", settings={"look_frist": 1}))


def test_private_modules_are_no_plug_ins():
    assert "scripted" in known("teachers")
    assert not [name for name in known("teachers") if name.startswith("_")]


@pytest.mark.parametrize(("value", "text"), [("as it is", "as it is"), ({"b": 1, "a": [None]}, '{"a":[null],"b":1}')])
def test_results_are_spelled_in_one_way(value, text):
    assert text_of(Result(ok=True, value=value)) == text


def test_a_tool_that_comes_later_is_in_the_catalogue_that_training_renders():
    subject = task()
    first, *rest = subject.turns
    late = subject.tools[-1]
    changed = {
        "tools": subject.tools[:-1],
        "turns": (first, *(turn.model_copy(update={"adds": (late,)}) for turn in rest[:1]), *rest[1:]),
    }
    subject = subject.model_copy(update=changed)
    trajectory = play(Play(id="p", round=1, task=subject, player=Part(use="scripted"), player_name="scripted"))
    assert late in [tool.name for tool in trajectory.catalogue.tools]
    assert [message.adds for message in trajectory.messages if message.role == "user"][1] == (late,)


def test_a_changed_copy_has_an_id_of_its_own():
    one = task()
    assert one.id != one.model_copy(update={"seed": 99}).id
    assert one.model_copy().id == one.id


REFEREES = (Part(use="outcome"), Part(use="stop"))


class Idle(Record):
    """A player that says that it is done, without a call."""

    name: str = "idle"

    def open(self, task, seed):
        return Says(message=Message(role="assistant", content="Done."))


@pytest.mark.parametrize(("referees", "turns"), [((), len(task().turns)), (REFEREES, 1)])
def test_a_play_that_has_failed_is_not_played_on_where_a_referee_watches(referees, turns):
    trajectory = play(owed(Part(use=f"{__name__}:Idle"), referees=referees))
    assert trajectory.end is End.CLOSED
    assert sum(message.role == "user" for message in trajectory.messages) == turns
    assert trajectory.usage.requests == turns
    assert [load("checkers", part).check(task(), trajectory).passed for part in REFEREES] == [False, False]


def test_a_play_that_goes_well_is_played_to_its_end_under_referees():
    free, watched = (play(owed(Part(use="scripted"), referees=referees)) for referees in ((), REFEREES))
    assert free.messages == watched.messages
    assert sum(message.role == "user" for message in watched.messages) == len(task().turns)


class Babbles(Record):
    """A player that says one message, then that it is done."""

    message: Message
    name: str = "babbles"

    def open(self, task, seed):
        return self

    def reply(self, messages, offered):
        done = Message(role="assistant", content="Done.")
        return Reply(message=self.message if messages[-1].role == "user" else done)


def nested(levels):
    value = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


UNSTORABLE = {
    "too deep": Message(role="assistant", content="", calls=(Call(name="ls", arguments={"a": nested(100)}),)),
    "far too deep": Message(role="assistant", content="", calls=(Call(name="ls", arguments={"a": nested(200)}),)),
    "too long": Message(role="assistant", content="x" * 1_000_001),
    "too long a call": Message(
        role="assistant", content="", calls=(Call(name="echo", arguments={"content": "x" * 60_000}),) * 20
    ),
    "no number": Message(role="assistant", content="", calls=(Call(name="ls", arguments={"a": float("nan")}),)),
    "too large a number": Message(role="assistant", content="", calls=(Call(name="ls", arguments={"a": 10**30}),)),
}


@pytest.mark.parametrize("what", UNSTORABLE)
def test_an_answer_that_no_store_could_hold_fails_its_play_and_is_kept_as_that(what):
    _, transcript = talk(Babbles(message=UNSTORABLE[what]))
    answers = [message for message in transcript.messages if message.role == "assistant"]
    assert len(answers) == len(task().turns)
    assert all(answer.fault and not answer.calls and len(answer.fault) < 1_000 for answer in answers)
    trajectory = Trajectory(task=task().id, player="p", messages=tuple(transcript.messages), end=End.CLOSED)
    assert spell(owed(Part(use="scripted")), trajectory, 0)
    assert not load("checkers", Part(use="format")).check(task(), trajectory).passed


def test_text_that_is_no_unicode_is_replaced_before_the_world_reads_it():
    call = Call(name="echo\ud800", arguments={"content": "a\ud800b\0", "more": [{"\udfff": "\udfff"}]})
    _, transcript = talk(Babbles(message=Message(role="assistant", content="\ud83d", calls=(call,))))
    said = transcript.messages[2]
    assert said.content == "\ufffd"
    assert said.calls == (
        Call(name="echo\ufffd", arguments={"content": "a\ufffdb\u2400", "more": [{"\ufffd": "\ufffd"}]}),
    )
    assert transcript.messages[3].name == said.calls[0].name
    assert said.model_dump_json()


def test_a_player_that_talks_without_end_is_heard_no_more():
    call = Call(name="echo", arguments={"content": "x" * 60_000})
    end, transcript = talk(Says(message=Message(role="assistant", content="", calls=(call,) * 10)))
    assert end is End.CLOSED
    said = [message for message in transcript.messages if message.role == "assistant"]
    assert [bool(message.fault) for message in said] == [False] * 6 + [True] * len(task().turns)


class Trips(Record):
    """A checker that falls over whatever it reads."""

    name: str = "trips"
    version: int = 1

    def check(self, task, trajectory):
        raise RecursionError("maximum recursion depth exceeded")

    doomed = check


def test_a_play_on_which_a_referee_raises_ends_there_and_is_judged_like_any_other():
    trajectory = play(owed(Part(use="scripted"), referees=(Part(use=f"{__name__}:Trips"),)))
    assert trajectory.end is End.CLOSED
    assert trajectory.failure is None
    assert sum(message.role == "user" for message in trajectory.messages) == 1
    assert not load("checkers", Part(use="outcome")).check(task(), trajectory).passed


class Notes(Record):
    """A player that keeps what it is told in a memory, and answers a question with all that the memory shows."""

    name: str = "notes"
    tool: str
    heard: list = []

    def open(self, task, seed):
        self.heard.append([])
        return self

    def reply(self, messages, offered):
        self.heard[-1].append(tuple(messages))
        said = Message(role="assistant", content="Noted.")
        if messages[-1].role == "user" and "final answer" in messages[0].content:
            said = Message(role="assistant", content=messages[0].content, calls=())
        elif messages[-1].role == "user":
            text = messages[-1].content[:2_000]
            key = f"n{len(self.heard)}_{len(messages)}".replace("n", "note_")
            arguments = {"text": text} if self.tool == "memory_append" else {"key": key, "value": text}
            said = Message(role="assistant", content="", calls=(Call(name=self.tool, arguments=arguments),))
        return Reply(message=said)


def remembered(name, tool, scenario=3):
    subject = suite(name).tasks[scenario]
    part = Part(use=f"{__name__}:Notes", settings={"tool": tool, "heard": []})
    player = load("teachers", part)
    trajectory = play(Play(id="p", round=0, task=subject, player=part, player_name="notes", system="Be brief."))
    return subject, player, trajectory


def test_a_conversation_hears_nothing_of_the_ones_before_it_and_the_world_goes_on():
    subject, _, trajectory = remembered("bfcl-memory-rec-sum", "memory_append")
    assert trajectory.end is End.CLOSED
    begins = [place for place, message in enumerate(trajectory.messages) if message.role == "system"]
    assert len(begins) == sum(turn.session is not None for turn in subject.turns)
    first, second = (trajectory.messages[place].content for place in begins[:2])
    assert first.startswith("Be brief.\n\nYou are a personal organization assistant.")
    assert "There is no content in the memory" in first
    assert "Team meeting ran over by 30 minutes" in second, "what was kept is shown to the next one"
    assert "{world}" not in first + second
    verdict = load("checkers", Part(use="recall")).check(subject, trajectory)
    assert verdict.evidence == {"right": 18, "asked": 25}, "the others need more than the words as they were said"
    assert len([message for message in trajectory.messages if message.role == "user"]) == len(subject.turns)


class Forgets(Record):
    """A player that clears its memory whenever it is asked a question, and keeps one word otherwise."""

    name: str = "forgets"

    def open(self, task, seed):
        return self

    def reply(self, messages, offered):
        if messages[-1].role == "tool":
            return Reply(message=Message(role="assistant", content=messages[0].content))
        asked = "final answer" in messages[0].content
        call = Call(name="memory_clear") if asked else Call(name="memory_append", arguments={"text": "word "})
        return Reply(message=Message(role="assistant", content="", calls=(call,)))


def test_what_a_question_does_to_the_world_is_undone():
    subject = suite("bfcl-memory-rec-sum").tasks[3]
    trajectory = play(
        Play(id="p", round=0, task=subject, player=Part(use=f"{__name__}:Forgets"), player_name="forgets")
    )
    shown = [message.content for message in trajectory.messages if message.role == "system"][-25:]
    assert len({text.count("word ") for text in shown}) == 1
    assert shown[-1].count("word ") == 24


def test_a_conversation_that_reaches_the_cap_ends_and_the_next_one_begins():
    subject = suite("bfcl-memory-kv").tasks[3]
    part = Part(use=f"{__name__}:Loops")
    trajectory = play(
        Play(id="p", round=0, task=subject, player=part, player_name="loops", rule=Rule(steps_per_turn=2))
    )
    assert trajectory.end is End.CAP
    assert sum(message.role == "system" for message in trajectory.messages) == 5 + 25
    assert sum(message.role == "user" for message in trajectory.messages) == 5 + 25


class Loops(Record):
    """A player that looks for ever."""

    name: str = "loops"

    def open(self, task, seed):
        return Says(message=Message(role="assistant", content="", calls=(Call(name="core_memory_list_keys"),)))
