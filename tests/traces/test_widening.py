"""New conversations are played in the traces' world, or written by teachers; what no check accepts is not kept."""

import json

import pytest
from typer.testing import CliRunner

from loop.cli.main import app
from loop.errors import CheckNegative
from loop.store import Store
from loop.store.traces import Kept, Provenance
from loop.traces.arms import SYNTHESIZED
from loop.traces.importing import task_of, trajectory_of
from loop.traces.sifting import filters, sift
from loop.traces.trace import Trace
from loop.traces.widening import widen
from loop.types import Call, Catalogue, Message, Split, Tool
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import saying

TEXT = {"type": "string"}
FIND = {"type": "object", "properties": {"city": TEXT, "kind": TEXT}, "required": ["city", "kind"]}
TOOLS = Catalogue(tools=(Tool(name="find_table", description="Find", parameters=FIND),))
ASKED = (
    "Any {kind} places in {city}?", "I want {kind} food in {city}.", "Find me {kind} in {city}", "{city}, {kind}, now",
    "What about {kind} near {city}?", "In {city} I would like {kind}", "Is there {kind} in {city}?",
    "Could you look for {kind} food in {city}?",
)  # fmt: skip
KINDS, CITIES = ("Thai", "French", "Indian", "Korean"), ("Oslo", "Bergen", "Lund", "Turku", "Graz")


def talk(number, *, telling=True):
    """A conversation whose tool tells of things, or of nothing that a world could be built of."""
    kind, city = KINDS[number % 4], CITIES[number % 5]
    row = {"name": f"Place {number}", "city": city, "kind": kind}
    return (
        Message(role="user", content=ASKED[number % 8].format(kind=kind, city=city)),
        Message(role="assistant", content="", calls=(Call(name="find_table", arguments={"city": city, "kind": kind}),)),
        Message(role="tool", name="find_table", content=json.dumps([row]) if telling else f"number {number} it is"),
        Message(role="assistant", content=f"There is {row['name']}." if telling else f"It is number {number}."),
    )


def kept(number, **how):
    messages = talk(number, **how)
    task = task_of(messages, TOOLS, f"trace/{number}", Split.TRAIN)
    trajectory = trajectory_of(task, Trace(messages=messages), TOOLS)
    return Kept(id=f"{number:064}", task=task, trajectory=trajectory, provenance=Provenance())


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as opened:
        yield opened


@pytest.fixture
def api(monkeypatch):
    monkeypatch.delenv("DS_KEY_FILE", raising=False)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    with FakeDeepSeek(key="sk-fake-0123456789abcdef") as fake:
        yield fake


def fill(store, count, **how):
    store.traces.keep([kept(number, **how) for number in range(count)])
    sift(store, filters())


def test_tasks_of_the_traces_world_are_played_and_kept_beside_what_was_accepted(store):
    fill(store, 60)
    done = widen(store, 20, 1, filters())
    assert (done.played, done.kept, done.written, done.things) == (20, 20, 0, 60)
    assert widen(store, 20, 1, filters()).kept == 0
    made = list(store.traces.all(arm=SYNTHESIZED))
    assert len(made) == 20
    assert {each.task.split for each in made} == {Split.TRAIN}
    assert all(message.role != "system" for each in made for message in each.trajectory.messages)
    lessons = {each.id for each in store.traces.lessons(SYNTHESIZED)}
    assert {each.id for each in made} < lessons
    said = {each.trajectory.messages[0].content for each in made}
    assert said - {talk(number)[0].content for number in range(60)}


def conversation(*, city="Ghent", kind="Polish", called=None, told="Zapiecek", more=()):
    row = json.dumps({"name": told, "city": city})
    messages = [
        {"role": "user", "content": f"Somewhere {kind} to eat around {city} tonight"},
        {"role": "assistant", "name": "find_table", "arguments": {"city": called or city, "kind": kind}},
        {"role": "tool", "content": f"It is {row}"},
        {"role": "assistant", "content": f"How about {told}?"},
        *more,
    ]
    arguments = {"messages": messages}
    return Message(role="assistant", content="", calls=(Call(name="conversation", arguments=arguments),))


def test_teachers_write_where_no_world_can_be_built_and_only_what_passes_is_kept(store, api):
    fill(store, 8, telling=False)
    late = [{"role": "user", "content": "Thanks"}, {"role": "assistant", "content": "You are welcome."}] * 8
    api.mind = saying(
        conversation(),
        conversation(),
        conversation(city="Porto", called="Lisbon"),
        conversation(city="Turin", more=late),
        Message(role="assistant", content="I would rather not."),
        conversation(city="Leeds", kind="Greek", told="Kos"),
    )
    done = widen(store, 2, 1, filters(), teachers=[DeepSeek(base_url=api.url, step_s=20.0)])
    assert (done.things, done.played, done.written, done.kept) == (0, 0, 2, 2)
    assert done.refused == {
        "nearly the same as another": 1,
        "trace-origins": 1,
        "length": 1,
        "cannot be read: it hands in no conversation": 1,
    }
    made = list(store.traces.all(arm=SYNTHESIZED))
    assert {each.trajectory.messages[1].calls[0].arguments["city"] for each in made} == {"Ghent", "Leeds"}
    assert all(each.provenance.model for each in made)


def test_a_teacher_that_gives_no_answer_is_asked_no_more(store, api):
    fill(store, 8, telling=False)
    teacher = DeepSeek(base_url=api.url, step_s=20.0)
    api.key = "another"
    done = widen(store, 5, 1, filters(), teachers=[teacher])
    assert done.written == 0
    assert sum(done.refused.values()) == 1


def test_what_cannot_be_made_says_what_is_missing(store):
    with pytest.raises(CheckNegative, match="Run: loopd trace filter"):
        widen(store, 5, 1, filters())
    fill(store, 8, telling=False)
    with pytest.raises(CheckNegative, match="no teacher that asks a model"):
        widen(store, 5, 1, filters())


def test_the_command_makes_the_arm_and_training_takes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rows = tmp_path / "traces.jsonl"
    tools = [{"type": "function", "function": tool.model_dump(mode="json")} for tool in TOOLS.tools]
    with rows.open("w") as file:
        for number in range(60):
            user, call, found, closing = talk(number)
            function = {"name": "find_table", "arguments": dict(call.calls[0].arguments)}
            messages = [
                {"role": "user", "content": user.content},
                {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]},
                {"role": "tool", "tool_call_id": "1", "content": found.content},
                {"role": "assistant", "content": closing.content},
            ]
            file.write(json.dumps({"messages": messages, "tools": tools}) + "\n")
    run = CliRunner().invoke
    run(app, ["trace", "import", str(rows), "--keep-personal", "--heldout", "0"])
    assert isinstance(run(app, ["trace", "make", "synthesised"]).exception, Exception)
    run(app, ["trace", "filter"])
    done = run(app, ["trace", "make", "synthesized", "--count", "10"])
    assert "played" in done.output, done.exception
    with Store.open(f"sqlite:///{tmp_path / 'data' / 'loopd.db'}") as opened:
        assert opened.traces.counts()[SYNTHESIZED] == 10
