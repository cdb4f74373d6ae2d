"""A world read off traces holds what they told, and tasks of it run and pass every checker."""

import json

import pytest
from typer.testing import CliRunner

from loop.cli.main import app
from loop.errors import CheckNegative, ConfigError
from loop.plugins import find, load
from loop.rollout.play import play
from loop.traces.synthesis import Synthesized, Worded, frames_of
from loop.traces.worlds import world_of
from loop.types import Call, Catalogue, End, Message, Part, Play, Split, Tool, Trajectory

TEXT = {"type": "string"}
FIND = {"type": "object", "properties": {"city": TEXT, "kind": TEXT}, "required": ["city", "kind"]}
BOOK = {
    "type": "object",
    "properties": {"name": TEXT, "city": TEXT, "time": TEXT, "guests": TEXT},
    "required": ["name", "time"],
}
TOOLS = Catalogue(
    tools=(
        Tool(name="find_table", description="Find", parameters=FIND),
        Tool(name="book_table", description="Book", parameters=BOOK),
        Tool(name="call_a_cab", description="Cab", parameters={"type": "object", "properties": {}}),
    )
)
ASKED = (
    "Any {kind} places in {city}?",
    "I want {kind} food in {city}.",
    "Find me {kind} in {city}",
    "{city}, {kind}, now",
    "What about {kind} near {city}?",
    "In {city} I would like {kind}",
    "{kind}! In {city}!",
    "Is there {kind} in {city}?",
    "We are in {city} and like {kind}",
    "Could you look for {kind} food in {city}?",
    "Show {kind} in {city}",
    "{kind} {city}",
    "Hungry for {kind}, {city} please",
    "Tonight {kind} in {city}?",
    "My friends want {kind} in {city}",
    "{city}: {kind}?",
)
KINDS, CITIES = ("Thai", "French", "Indian", "Korean"), ("Oslo", "Bergen", "Lund", "Turku", "Graz")


def talk(number):
    kind, city = KINDS[number % 4], CITIES[number % 5]
    row = {"name": f"Place {number}", "city": city, "kind": kind, "price": "low"}
    book = {"name": row["name"], "city": city, "time": "19:00", "guests": "2"}
    messages = (
        Message(role="user", content=ASKED[number % 16].format(kind=kind, city=city)),
        Message(role="assistant", content="", calls=(Call(name="find_table", arguments={"city": city, "kind": kind}),)),
        Message(role="tool", name="find_table", content=json.dumps([row])),
        Message(role="assistant", content=f"{row['name']}?"),
        Message(role="user", content="Yes, at 19:00"),
        Message(role="assistant", content="", calls=(Call(name="book_table", arguments=book),)),
        Message(role="tool", name="book_table", content=json.dumps([{**row, "time": "19:00", "guests": "2"}])),
        Message(role="assistant", content="Booked."),
    )
    return Trajectory(task="t", player="trace", end=End.CLOSED, messages=messages, catalogue=TOOLS)


TALKS = [talk(number) for number in range(80)]
WORLD = world_of(TALKS, TOOLS)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.json"
    path.write_text(Worded(world=WORLD, frames=frames_of(TALKS, WORLD)).model_dump_json())
    return Synthesized(world=path)


def test_results_tell_what_the_tools_do():
    assert {name: (use.act, use.columns, use.written) for name, use in WORLD.uses.items()} == {
        "find_table": ("find", ("city", "kind"), ()),
        "book_table": ("write", ("city", "name"), ("guests", "time")),
        "call_a_cab": ("recorded", (), ()),
    }
    assert (len(WORLD.rows), WORLD.key) == (80, "name")


def test_what_users_said_is_the_wording_without_the_values():
    frames = frames_of(TALKS, WORLD)
    assert {frame.text for frame in frames if frame.tool == "find_table"} == set(ASKED)


def test_values_that_were_said_one_after_the_other_make_one_frame():
    parts = (
        Message(role="user", content="I am craving Thai food."),
        Message(role="assistant", content="Where?"),
        Message(role="user", content="I want to eat in Oslo."),
    )
    spread = TALKS[0].model_copy(update={"messages": (*parts, *TALKS[0].messages[1:])})
    (frame,) = [each for each in frames_of([spread], WORLD) if each.tool == "find_table"]
    assert frame.text == "I am craving {kind} food. I want to eat in {city}."


def test_traces_without_results_make_no_world():
    silent = TALKS[0].model_copy(update={"messages": TALKS[0].messages[:2]})
    assert world_of([silent], TOOLS) is None


def test_a_call_that_its_result_contradicts_says_nothing():
    wrong = Message(
        role="assistant", content="", calls=(Call(name="find_table", arguments={"city": "Rome", "kind": "Thai"}),)
    )
    bad = [each.model_copy(update={"messages": (each.messages[0], wrong, *each.messages[2:])}) for each in TALKS[:30]]
    assert world_of([*TALKS, *bad], TOOLS).uses == WORLD.uses


@pytest.mark.parametrize("split", list(Split))
def test_tasks_run_and_pass_every_checker(generator, split):
    checkers = [load("checkers", Part(use=name)) for name in ("outcome", "dataflow", "stop", "format", "answer")]
    assert [arm.family for arm in generator.arms] == ["find", "find-then-write"]
    for arm in generator.arms:
        for seed in range(15):
            task = generator.make(arm, seed, split)
            assert task == generator.make(arm, seed, split)
            owed = Play(id="p", round=0, task=task, player=Part(use="scripted"), player_name="scripted", system="Act.")
            trajectory = play(owed)
            assert len(trajectory.calls) == len(task.plan)
            assert all(message.ok for message in trajectory.messages if message.role == "tool")
            told = {checker.name: checker.check(task, trajectory) for checker in checkers}
            assert all(verdict.passed for verdict in told.values()), (told, [turn.user for turn in task.turns])


def test_no_split_knows_anothers_things_or_groups(generator):
    arm = generator.arms[0]
    groups, asked = {}, {}
    for split in Split:
        tasks = [generator.make(arm, seed, split) for seed in range(60)]
        groups[split] = {task.leak_group for task in tasks}
        asked[split] = {row["name"] for task in tasks for row in task.initial["Traces"]["rows"]}
    for one in Split:
        for other in Split:
            if one is not other:
                assert not groups[one] & groups[other]
                assert not asked[one] & asked[other]


def test_the_generator_is_found_by_its_name_and_says_what_is_missing(tmp_path):
    assert find("task_generators", "loop.traces.synthesis:Synthesized") is Synthesized
    with pytest.raises(ConfigError, match="Make it: loopd trace world"):
        _ = Synthesized(world=tmp_path / "none.json").arms
    (tmp_path / "bad.json").write_text('{"world": 3}')
    with pytest.raises(ConfigError, match="holds no world"):
        _ = Synthesized(world=tmp_path / "bad.json").arms


def test_the_command_builds_a_world_from_imported_traces(tmp_path, write, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    rows = []
    for each in TALKS:
        messages = []
        for message in each.messages:
            spoken = {"role": message.role, "content": message.content}
            if message.calls:
                call = message.calls[0]
                spoken["tool_calls"] = [{"id": "1", "function": {"name": call.name, "arguments": dict(call.arguments)}}]
            messages.append(spoken | ({"tool_call_id": "1"} if message.role == "tool" else {}))
        rows.append({"messages": messages, "tools": [tool.model_dump(mode="json") for tool in TOOLS.tools]})
    run = CliRunner().invoke
    run(app, ["trace", "import", write(*rows), "--keep-personal", "--heldout", "0"])
    done = run(app, ["trace", "world", str(tmp_path / "world.json"), "--arm", "direct"])
    assert "80 things, " in done.output, done.exception
    assert Synthesized(world=tmp_path / "world.json").make(Synthesized(world=tmp_path / "world.json").arms[0], 1)
    assert isinstance(run(app, ["trace", "world", str(tmp_path / "w"), "--arm", "relabelled"]).exception, CheckNegative)
