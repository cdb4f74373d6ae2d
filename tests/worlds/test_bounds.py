"""What a play may hold and hear is bounded in every world: trees end, answers end, and so does what is compared."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkers.economy import Economy
from checkers.outcome import Outcome
from loop.canonical import MAX_BYTES, canonical
from loop.types import Call, End, Message, Task, Tier, Trajectory, Turn
from task_generators.backends.backend import BadState
from task_generators.backends.file_system import MAX_NAME, MAX_NODES
from task_generators.backends.values import MAX_STATE
from task_generators.backends.worlds import MAX_HEARD, MAX_TOLD, admit, open_world

FUZZ = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


def directory(**contents):
    return {"type": "directory", "contents": contents}


def file(content=""):
    return {"type": "file", "content": content}


HOME = {
    "GorillaFileSystem": {"root": {"home": directory(report=file("x"), d=directory(e=directory(f=file())), g=file())}}
}


def files(initial=HOME):
    return open_world(("GorillaFileSystem",), initial)


def do(world, name, **arguments):
    return world.call(Call(name=name, arguments=arguments))


def looked_at(world):
    """All that a checker asks of a world, in JSON."""
    kept = world.snapshot()
    assert world.stands_at(kept)
    assert world.difference(kept) == "nothing"
    return canonical(world.state()), canonical(world.everything())


KNOTS = {
    "mv into itself": ("mv d d",),
    "cp into itself": ("cp d d",),
    "mv to here": ("mv report .", "mv . report"),
    "mv a directory to here": ("mv d .", "cp . d"),
    "mv up": ("mv d ..", "mv .. d"),
    "mv to no name": ("mv report ''", "mv '' report", "mv d ''", "cp '' d"),
    "mkdir here": ("mkdir .", "cp . backup"),
    "mkdir up": ("mkdir ..", "cp .. backup", "mv .. d"),
    "mkdir without a name": ("mkdir ''", "cp '' d", "mv '' d"),
    "touch here": ("touch .", "cp . backup"),
    "touch up": ("touch ..", "mv .. g"),
    "cp to here": ("cp report .", "cp . backup", "cp d .", "mv . d"),
    "cp up": ("cd d", "cp e ..", "mv .. e", "cp e ..", "cd .."),
    "through what copies share": (
        *("mkdir s", "cd s", "mkdir k", "cd ..", "cp s u", "mv u s", "cd s", "mv u k"),
        *("cp u k", "cd k", "cp u u", "cd .."),
    ),
    "through what copies share, copied": ("cp d x", "cp x d", "cd d", "cp x e", "mv x e", "cd .."),
}
"""Calls after which a directory would hold itself, or would lie where nobody can look."""

PARAMETERS = {"mv": ("source", "destination"), "cp": ("source", "destination"), "cd": ("folder",)}


def spelt(text):
    name, *values = text.split(" ")
    values = [value.replace("''", "") for value in values]
    wanted = PARAMETERS.get(name) or (("dir_name",) if name == "mkdir" else ("file_name",))
    return name, dict(zip(wanted, values, strict=True))


@pytest.mark.parametrize("knot", KNOTS)
def test_a_directory_cannot_come_to_hold_itself(knot):
    world = files()
    for text in KNOTS[knot]:
        name, arguments = spelt(text)
        world.call(Call(name=name, arguments=arguments))
        state, _ = looked_at(world)
        names = state.replace('"', "").replace("{", ",").replace(":", ",").split(",")
        assert not {".", ".."} & set(names)
        assert do(world, "find").ok
        assert do(world, "du").ok
        assert do(world, "pwd").ok


@pytest.mark.parametrize("seed", range(40))
def test_no_calls_in_any_order_make_a_tree_without_an_end(seed):
    world, rng = files(), random.Random(seed)
    names = ["report", "d", "e", "x", "y", ".", "..", ""]
    for _ in range(60):
        name = rng.choice(("mv", "cp", "cp", "mkdir", "cd", "touch", "rm"))
        wanted = PARAMETERS.get(name) or (("dir_name",) if name == "mkdir" else ("file_name",))
        world.call(Call(name=name, arguments={each: rng.choice(names) for each in wanted}))
    looked_at(world)


def test_a_refused_call_leaves_everything_as_it_was():
    world = files()
    before = looked_at(world)
    for text in ("mv d d", "cp d d", "mv d .", "mv d ''", "cp d ..", "mkdir .", "touch ''"):
        name, arguments = spelt(text)
        result = world.call(Call(name=name, arguments=arguments))
        assert not result.ok
        assert result.value["error"].startswith(f"{name}: ")
        assert looked_at(world) == before


def test_a_directory_moved_into_itself_is_not_lost():
    """BFCL takes it out of its parent before it looks where it goes."""
    world = files()
    assert "subdirectory of itself" in do(world, "mv", source="d", destination="d").value["error"]
    assert "d" in do(world, "ls").value["current_directory_content"]


def test_names_are_as_long_as_a_file_system_allows():
    world, long = files(), "n" * (MAX_NAME + 1)
    assert do(world, "touch", file_name="n" * MAX_NAME).ok
    for refused in (
        do(world, "touch", file_name=long),
        do(world, "mkdir", dir_name=long),
        do(world, "mv", source="report", destination=long),
        do(world, "cp", source="d", destination=long),
    ):
        assert "File name too long" in refused.value["error"]


def test_a_tree_is_sixty_four_levels_deep_at_most():
    world = files()
    levels = 0
    while do(world, "mkdir", dir_name="x").ok:
        do(world, "cd", folder="x")
        levels += 1
    assert levels == 63
    world = files()
    for _ in range(80):  # each wraps what there is into one more
        do(world, "mkdir", dir_name="out")
        do(world, "mv", source="d", destination="out")
        if not do(world, "mv", source="out", destination="d").ok:
            break
    looked_at(world)
    assert max(place.count("/") for place in do(world, "find").value["matches"]) <= 64


def test_what_copies_share_counts_wherever_it_shows():
    world = files({"GorillaFileSystem": {"root": {"home": directory(a=directory(s=directory(f=file("x"))))}}})
    for _ in range(14):  # two to the fourteenth paths to one directory
        do(world, "cp", source="a", destination="b")
        do(world, "mkdir", dir_name="c")
        do(world, "mv", source="a", destination="c")
        do(world, "mv", source="b", destination="c")
        do(world, "mv", source="c", destination="a")
    for _ in range(15):
        do(world, "cd", folder="a")
    do(world, "cd", folder="s")
    made = [do(world, "touch", file_name=f"n{number}").ok for number in range(20)]
    assert not all(made)
    wrote = [do(world, "echo", file_name="f", content="y" * size).ok for size in (10, 60_000)]
    assert wrote == [True, False]
    assert do(world, "cat", file_name="f").value == {"file_content": "y" * 10}
    began = time.monotonic()
    state, _ = looked_at(world)
    assert len(state) < 2 * MAX_STATE
    assert time.monotonic() - began < 3


def test_a_search_with_too_much_to_say_says_so():
    world = files({"GorillaFileSystem": {"root": {"home": directory()}}})
    for level in range(50):
        do(world, "mkdir", dir_name=f"{level:03}" + "p" * 250)
        do(world, "cd", folder=f"{level:03}" + "p" * 250)
    for number in range(200):
        do(world, "touch", file_name=f"f{number}")
    do(world, "cd", folder="/")
    result = do(world, "find")
    assert not result.ok
    assert "too many matches" in result.value["error"]
    assert len(world.call(Call(name="find", arguments={"name": "f199"})).value["matches"]) == 1


def test_a_world_holds_no_more_than_its_arguments():
    world = open_world(("TicketAPI",), {"TicketAPI": {"current_user": "u"}})
    answers = [do(world, "create_ticket", title="t", description="x" * 60_000) for _ in range(140)]
    assert answers[0].ok
    assert not answers[-1].ok
    assert len(canonical(world.state())) < MAX_STATE + 2 * MAX_HEARD
    assert not do(world, "get_user_tickets").ok


GROWING = {
    "TwitterAPI": (
        {"authenticated": True, "username": "u"},
        ("post_tweet", {"content": "{}", "tags": ["#a"]}),
        ("search_tweets", {"keyword": ""}),
    ),
    "MessageAPI": (
        {"user_map": {"a": "USR001"}, "current_user": "USR001"},
        ("send_message", {"receiver_id": "USR001", "message": "{}"}),
        ("view_messages_sent", {}),
    ),
    "TicketAPI": (
        {"current_user": "u"},
        ("create_ticket", {"title": "t", "description": "{}"}),
        ("get_user_tickets", {}),
    ),
}


@pytest.mark.parametrize("backend", GROWING)
@pytest.mark.parametrize(
    "text", ["x" * 30_000, "\U0001f600" * 20_000, "\x01" * 30_000], ids=["ascii", "emoji", "control"]
)
def test_an_answer_ends_at_its_bound_however_it_is_spelt(backend, text):
    initial, (write, arguments), (read, question) = GROWING[backend]
    world, refused = open_world((backend,), {backend: initial}), 0
    for _ in range(60):
        filled = {name: text if value == "{}" else value for name, value in arguments.items()}
        do(world, write, **filled)
        result = do(world, read, **question)
        assert len(json.dumps(result.value)) <= MAX_BYTES
        refused += not result.ok
    assert refused
    assert "too long" in result.value["error"]


def test_all_answers_of_a_play_together_are_bounded():
    world = files({"GorillaFileSystem": {"root": {"home": directory(f=file("x" * 900_000))}}})
    told = [do(world, "cat", file_name="f").ok for _ in range(8)]
    assert told == [True] * (MAX_TOLD // 900_000) + [False] * (8 - MAX_TOLD // 900_000)


def test_an_error_that_repeats_what_was_sent_is_cut():
    result = do(files(), "cat", file_name="x" * 60_000)
    assert not result.ok
    assert len(result.value["error"]) <= 2_000


def deep(levels):
    found = directory()
    for _ in range(levels):
        found = directory(x=found)
    return {"GorillaFileSystem": {"root": {"home": found}}}


@pytest.mark.parametrize("initial", [deep(70), deep(30_000), {"GorillaFileSystem": {"root": []}}, {"MessageAPI": 5}])
def test_an_initial_state_that_no_world_can_have_is_an_error_of_ours(initial):
    with pytest.raises(BadState, match="initial state of"):
        open_world(tuple(initial), initial)


def test_a_task_with_too_much_in_it_is_not_played():
    many = {f"f{number}": file() for number in range(MAX_NODES + 1)}
    with pytest.raises(BadState, match="No space left"):
        open_world(("GorillaFileSystem",), {"GorillaFileSystem": {"root": {"home": directory(**many)}}})
    with pytest.raises(BadState, match="longer than"):
        admit({"TicketAPI": {"current_user": "x" * (MAX_STATE + 1)}})
    with pytest.raises(BadState, match="no JSON"):
        admit({"TicketAPI": {"ticket_counter": float("nan")}})


def test_the_comparison_of_the_largest_worlds_takes_little():
    """What the daemon does with a play that has filled its disk."""
    task = Task(
        generator="test",
        family="disk",
        tier=Tier.EASY,
        seed=1,
        backends=("GorillaFileSystem",),
        initial=HOME,
        tools=("touch", "cp", "mkdir", "mv"),
        turns=(Turn(user="Do nothing."), Turn(user="Do nothing.")),
        leak_group="disk",
    )
    calls = [Call(name="mkdir", arguments={"dir_name": "all"}), Call(name="cd", arguments={"folder": "all"})]
    calls += [Call(name="touch", arguments={"file_name": f"f{number:03}" + "n" * 240}) for number in range(190)]
    calls += [Call(name="cd", arguments={"folder": ".."})]
    calls += [Call(name="cp", arguments={"source": "all", "destination": f"c{number}"}) for number in range(100)]
    calls += [Call(name="ls"), Call(name="ls")]
    world, messages = files(), [Message(role="user", content="Do nothing.")]
    messages.append(Message(role="assistant", content="", calls=tuple(calls)))
    for call in calls:
        result = world.call(call)
        messages.append(Message(role="tool", name=call.name, content=canonical(result.value), ok=result.ok))
    messages.append(Message(role="assistant", content="Done."))
    trajectory = Trajectory(task=task.id, player="p", messages=tuple(messages), end=End.CLOSED)
    assert len(canonical(world.state())) > MAX_STATE // 2
    began = time.monotonic()
    assert not Outcome(abstain=False).check(task, trajectory).passed
    assert not Economy().check(task, trajectory).passed
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("plays", [120, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(4 * 3600)])])
def test_random_plays_over_all_backends_break_nothing(plays):
    done = subprocess.run([sys.executable, FUZZ, "--plays", str(plays)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing broke" in done.stdout
    assert f"{plays}  plays" in done.stdout
