"""The twelve hand-written tasks: their shape, that they can be played and not guessed, and what a broken file says."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from checkers.dataflow import Dataflow
from checkers.economy import Economy
from checkers.format import Format
from checkers.outcome import Outcome
from checkers.stop import Stop
from loop.errors import ConfigError
from loop.plan import run
from loop.plugins import load
from loop.rollout.play import play
from loop.types import From, Part, PlannedCall, Play, Split, Suite, Tier
from task_generators.backends.catalogues import tools_of
from task_generators.backends.worlds import open_world
from task_generators.suites import CANONICAL, HAND_WRITTEN, listed, names, suite, twin
from task_generators.suites.canonical import FILE, canonical_tasks
from task_generators.suites.overlaps import Index, audit

TASKS = suite(CANONICAL).tasks
CHECKERS = (Outcome(), Dataflow(), Stop(), Economy(), Format())
by_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.source)


def played(task, player="scripted"):
    return play(Play(id="1", round=1, task=task, player=Part(use=player), player_name=player))


def objections(task, trajectory):
    verdicts = [checker.check(task, trajectory) for checker in CHECKERS]
    return [f"{verdict.checker}: {verdict.reason}" for verdict in verdicts if not verdict.passed]


def results_used(task):
    """Every value that an earlier result supplies, as the plan's call takes it."""
    calls = [call for turn, _ in run(task, open_world(task.backends, task.initial)) for call in turn]
    return [
        call.arguments[name]
        for planned, call in zip(task.plan, calls, strict=True)
        for name, argument in planned.arguments.items()
        if isinstance(argument, From)
    ]


# --- shape -----------------------------------------------------------------------------------------------------------


def depth(folder):
    """How many folders lie one within the other, this one not counted."""
    inner = [value for value in folder["contents"].values() if value["type"] == "directory"]
    return max((1 + depth(value) for value in inner), default=0)


@by_task
def test_a_task_has_the_shape_of_the_hard_gate(task):
    (root,) = task.initial["GorillaFileSystem"]["root"].values()
    assert len(task.turns) == 4
    assert all(turn.plan for turn in task.turns)
    assert 5 <= len(task.plan) <= 7
    assert depth(root) >= 4
    assert (task.tier, task.split, task.tools) == (Tier.HARD, Split.HELDOUT, tools_of("GorillaFileSystem"))


def test_they_are_twelve_of_different_subjects_with_nearly_every_tool():
    assert len({task.source for task in TASKS}) == len({task.leak_group for task in TASKS}) == len(TASKS) == 12
    assert set(tools_of("GorillaFileSystem")) - {call.name for task in TASKS for call in task.plan} == {"pwd"}


def test_seven_need_a_value_that_no_user_says():
    needing = [task for task in TASKS if results_used(task)]
    assert len(needing) == 7
    for task in needing:
        said = " ".join(turn.user for turn in task.turns).casefold()
        assert [value for value in results_used(task) if re.search(rf"\b{re.escape(value.casefold())}\b", said)] == []


NOT_SAID = {"..", ".", "w", True, 2}
"""The way up, the folder one stands in, the tools' options (true is 1 as well), and numbers that are said as words."""


@by_task
def test_every_other_value_is_in_the_users_words_by_then(task):
    said = ""
    for turn in task.turns:
        said += turn.user
        literals = [value for call in turn.plan for value in call.arguments.values() if not isinstance(value, From)]
        assert [value for value in literals if value not in NOT_SAID and value not in said] == []


# --- playing ---------------------------------------------------------------------------------------------------------


@by_task
def test_the_plans_own_play_passes_every_checker_and_the_idle_player_does_not(task):
    assert objections(task, played(task)) == []
    assert objections(task, played(task, "idle")) != []


def with_look(task, number):
    """The task whose plan looks around once more before a turn's first call, with a tool that it does not use."""
    look = PlannedCall(name="pwd" if any(call.name == "ls" for call in task.plan) else "ls")
    first = sum(len(turn.plan) for turn in task.turns[:number])
    turns = [turn.model_copy(update={"plan": tuple(moved(call, first) for call in turn.plan)}) for turn in task.turns]
    turns[number] = turns[number].model_copy(update={"plan": (look, *turns[number].plan)})
    return task.model_copy(update={"turns": tuple(turns)})


def moved(call, first):
    """The call, where the steps from `first` on come one later."""
    arguments = {
        name: later(value, first) if isinstance(value, From) else value for name, value in call.arguments.items()
    }
    return call.model_copy(update={"arguments": arguments})


def later(source, first):
    return source.model_copy(update={"step": source.step + (source.step >= first)})


@by_task
@pytest.mark.parametrize("number", range(4))
def test_one_harmless_look_more_passes(task, number):
    looked = with_look(task, number)
    trajectory = played(looked)
    assert len(trajectory.calls) == len(task.plan) + 1
    assert objections(task, trajectory) == []


def test_who_answers_a_turn_blindly_fails_where_the_turn_needs_its_own_results():
    blind = {task.source for task in TASKS if not Dataflow().check(task, played(task, "cloned")).passed}
    assert blind == {f"canonical-{name}" for name in ("band", "bakery", "photos")}


# --- suites and leaks ------------------------------------------------------------------------------------------------


def test_depth_hard_is_the_twelve_and_sixty_drawn_ones_and_its_twin_is_drawn():
    assert HAND_WRITTEN == ("files-canonical", "depth-hard")
    assert suite("depth-hard").tasks[:12] == TASKS
    assert [task.generator for task in suite("depth-hard").tasks[12:]] == ["files"] * 60
    assert [task.generator for task in suite("depth-hard-sealed").tasks] == ["files"] * 60
    assert (twin("files-canonical"), twin("depth-hard")) == (None, "depth-hard-sealed")


def test_they_share_nothing_with_training_tasks_or_suites_on_files():
    """Other backends have nothing in common with them: test_suites compares all with all."""
    generator = load("task_generators", Part(use="files"))
    trained = [generator.make(arm, seed) for arm in generator.arms for seed in range(40)]
    assert audit([Suite(name=CANONICAL, tasks=TASKS)], trained) == []
    on_files = [suite(name) for name in names() if "depth" in name or "files" in name]
    others = Index(task for frozen in on_files for task in frozen.tasks if task.generator != "canonical")
    assert [found for task in TASKS for found in others.alike(task)] == []


def pairs(sentence):
    return frozenset(pairwise(re.findall(r"\w+", sentence.casefold())))


def test_no_sentence_is_nearly_one_that_is_drawn():
    generator = load("task_generators", Part(use="files"))
    drawn = [generator.make(arm, seed) for arm in generator.arms for seed in range(60)]
    told = {pairs(turn.user) for task in drawn for turn in task.turns}
    for mine in {pairs(turn.user) for task in TASKS for turn in task.turns}:
        nearest = max(told, key=lambda other: len(mine & other) / len(mine | other))
        assert len(mine & nearest) / len(mine | nearest) < 0.25, (mine, nearest)


# --- broken files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Edits a copy of the file, which the reader takes for the shipped one."""
    text = files("task_generators.suites").joinpath(FILE).read_text(encoding="utf-8")
    monkeypatch.setattr(listed, "files", lambda _: tmp_path)

    def edited(old, new):
        assert old in text
        (tmp_path / FILE).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edited


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[[listed.turns]]", "[[listed.turns", r"canonical\.toml cannot be read as a list: TOMLDecodeError"),
        (
            '"outline.md" = ',
            '"outline.md" = 3 #',
            r"canonical\.toml, entry 1, 'thesis': 'tree'.*outline\.md' is",
        ),
        ('user = "Nobody', 'said = "Nobody', r"canonical\.toml, entry 1, 'thesis': 'turns\.1\.user'"),
        ('name = "thesis"', 'name = "My Thesis"', r"canonical\.toml, entry 1, 'My Thesis': 'name'"),
        ('name = "diff"', 'name = "dif"', r"canonical\.toml, task 'school': step 3, dif: .*There is no tool 'dif'"),
        ('folder = "chapters"', 'folder = "chapter"', r"canonical\.toml, task 'thesis': step 0, cd: .*No such file"),
        ('folder = "chapters"', 'dir = "chapters"', r"canonical\.toml, task 'thesis': step 0, cd: .*missing required"),
        ('["file_content"]', '["text"]', r"canonical\.toml, task 'band': .*mv\(source\) from step 3, path \['text'\]"),
        (r"(\w+\.wav)", r"(\w+\.wav", r"canonical\.toml, task 'band': .*is no pattern"),
        ('rule = "text"', 'rule = "tex"', r"canonical\.toml, task 'bakery': .*there is no rule 'tex'"),
    ],
)
def test_a_broken_file_is_one_error_that_names_file_and_task(edit, old, new, told):
    edit(old, new)
    with pytest.raises(ConfigError, match=told) as raised:
        canonical_tasks()
    assert "\n" not in str(raised.value)


def test_a_file_that_is_gone_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(listed, "files", lambda _: tmp_path)
    with pytest.raises(ConfigError, match=r"canonical\.toml cannot be read as a list"):
        canonical_tasks()
