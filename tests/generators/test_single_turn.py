"""BFCL's single-turn entries as tasks: the scripted teacher plays the gold; a data file that was edited is named."""

from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from loop.plugins import judges_of
from loop.rollout.play import play
from loop.types import End, Part, Play
from task_generators.backends import bfcl
from task_generators.backends.bfcl import BadEntry
from task_generators.backends.bfcl_memory import QUESTIONS, SCENARIOS
from task_generators.backends.bfcl_single import SINGLE_TURN, UNANSWERABLE, single_turn_tasks
from task_generators.backends.catalogues import catalogue
from task_generators.backends.formats import FORMATS
from task_generators.backends.literals import MAX_LITERAL, read_literal, spell_literal
from task_generators.backends.worlds import open_world
from task_generators.suites import BFCL, MEMORY, RENDERED, SINGLE, suite

WITHOUT_A_CALL = {"bfcl-irrelevance", "bfcl-live-irrelevance"}


def played(task, player):
    return play(Play(id="x", round=0, task=task, player=Part(use=player), player_name=player))


def wins(tasks, frozen, player):
    """How many plays all the suite's own checkers pass."""
    judges = judges_of(frozen, ())
    return sum(
        all(judge.check(task, trajectory).passed for judge in judges)
        for task in tasks
        for trajectory in [played(task, player)]
    )


@pytest.mark.parametrize("name", SINGLE)
def test_the_scripted_teacher_is_right_and_the_idle_player_only_where_no_call_is(name):
    frozen = suite(name)
    tasks = frozen.tasks[:: max(1, len(frozen.tasks) // 12)]
    assert wins(tasks, frozen, "scripted") == len(tasks)
    assert wins(tasks, frozen, "idle") == (len(tasks) if name in WITHOUT_A_CALL else 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_the_scripted_teacher_is_right_on_every_entry(name):
    frozen = suite(name)
    assert wins(frozen.tasks, frozen, "scripted") == len(frozen.tasks)


@pytest.mark.parametrize("name", BFCL)
def test_the_scripted_teacher_passes_multi_turn_suites_under_the_official_rule(name):
    frozen = suite(name)
    tasks = frozen.tasks[::13]
    assert wins(tasks, frozen, "idle") == 0
    assert wins(tasks, frozen, "scripted") == len(tasks)


@pytest.mark.parametrize("name", [*MEMORY, RENDERED])
def test_the_scripted_teacher_answers_what_is_asked_in_text_and_the_idle_player_does_not(name):
    frozen = suite(name)
    tasks = frozen.tasks[:: 101 if name == RENDERED else 3]
    assert wins(tasks, frozen, "scripted") == len(tasks)
    assert wins(tasks, frozen, "idle") == 0


def test_every_rendering_asks_the_same_200_questions_of_suites_that_are_held_out():
    tasks = suite(RENDERED).tasks
    assert Counter(Counter(task.family for task in tasks).values()) == {200: 26}
    assert {task.leak_group for task in tasks} <= {task.leak_group for name in SINGLE for task in suite(name).tasks}
    assert {task.split for task in tasks} == {"heldout"}
    assert [task.family for task in tasks[:26]] == [each.family for each in FORMATS], "a prefix has all renderings"
    assert not any(task.tools for task in tasks)


def test_a_rendering_is_bfcls_own_prompt():
    task = suite(RENDERED).tasks[0]
    trajectory = played(task, "scripted")
    told = trajectory.messages[0]
    assert told.role == "system"
    assert "Here is a list of functions in python format" in told.content
    assert "Note that the provided function is in Python 3 syntax." in told.content
    assert trajectory.messages[1].content == task.turns[0].user


def test_memory_is_asked_155_questions_of_each_kind():
    for name in MEMORY:
        tasks = suite(name).tasks
        assert [task.source.rsplit("-", 1)[1] for task in tasks] == [*SCENARIOS]
        assert sum(bool(right) for task in tasks for right in task.initial[QUESTIONS]) == 155
        assert sum(turn.aside for task in tasks for turn in task.turns) == 155
        assert sum(turn.session is not None and not turn.aside for task in tasks for turn in task.turns) == 37


def test_a_play_ends_with_the_first_message_that_calls():
    task = next(single_turn_tasks("parallel"))
    trajectory = played(task, "scripted")
    assert trajectory.end is End.CLOSED
    assert [message.role for message in trajectory.messages] == ["user", "assistant", *["tool"] * len(task.plan)]


def test_a_task_offers_its_own_functions_under_names_that_every_provider_takes():
    task = next(task for task in single_turn_tasks("simple_python") if task.source == "simple_python_1")
    offered = catalogue(task.tools, task.backends, task.initial)
    assert [tool.name for tool in offered.tools] == ["math_factorial"]
    assert not open_world(task.backends, task.initial).call(task.plan[0].model_copy(update={"name": "answer"})).ok


def test_what_nobody_can_answer_is_left_out():
    sources = {task.source for category in SINGLE_TURN for task in single_turn_tasks(category)}
    assert not sources & UNANSWERABLE.keys()


@pytest.mark.parametrize(
    ("value", "language", "kind", "inner"),
    [
        (5, "java", "integer", None),
        (5, "java", "long", None),
        (0.5, "java", "float", None),
        (True, "java", "boolean", None),
        (["a", "b"], "java", "ArrayList", "String"),
        ([1, 2], "java", "Array", "integer"),
        ({"a": "b", "c": 1}, "java", "HashMap", None),
        (7.0, "javascript", "float", None),
        (9, "javascript", "Bigint", None),
        (["a", "b"], "javascript", "array", "String"),
        ([[1, 2], [3, 4]], "javascript", "array", "array"),
        ({"a": "b", "c": True}, "javascript", "dict", None),
        ("someName", "javascript", "array", "String"),
        ("someName", "java", "HashMap", None),
    ],
)
def test_a_literal_is_read_as_it_was_spelt(value, language, kind, inner):
    assert read_literal(spell_literal(value, language, kind, inner), language, kind, inner) == value


def test_a_long_literal_stays_text():
    text = "[" + "1," * MAX_LITERAL + "1]"
    assert read_literal(text, "javascript", "array", "integer") == text


# --- edited files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A copy of two files of the data set, which the reader takes for the installed one."""
    original = files("bfcl_eval") / "data"
    (tmp_path / "data" / "possible_answer").mkdir(parents=True)
    for name in ("BFCL_v4_live_parallel.json", "possible_answer/BFCL_v4_live_parallel.json"):
        (tmp_path / "data" / name).write_text((original / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(bfcl, "files", lambda _: tmp_path)
    return tmp_path / "data"


def edit(path, old, new):
    Path(path).write_text(Path(path).read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("BFCL_v4_live_parallel.json", '{"id"', '{"id', r"BFCL_v4_live_parallel.json:1"),
        ("BFCL_v4_live_parallel.json", '"function"', '"functions"', r"BFCL_v4_live_parallel.json, live_parallel_0-0-0"),
        ("BFCL_v4_live_parallel.json", '"get_current_weather"', '"other"', r"live_parallel_0-0-0"),
        (
            "possible_answer/BFCL_v4_live_parallel.json",
            "live_parallel_0-0-0",
            "gone",
            r"live_parallel_0-0-0 has no gold",
        ),
        (
            "possible_answer/BFCL_v4_live_parallel.json",
            '"ground_truth"',
            '"truth"',
            r"possible_answer/BFCL_v4_live_par",
        ),
    ],
)
def test_an_edited_file_is_named_with_its_entry(data, file, old, new, told):
    edit(data / file, old, new)
    with pytest.raises(BadEntry, match=told):
        list(single_turn_tasks("live_parallel"))
