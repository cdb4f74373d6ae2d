"""Arms of traces: what is right is learned, what is wrong is context, and what a trace tells itself is put right."""

import json

import pytest

from loop.store import Store
from loop.store.traces import DIRECT
from loop.templates.render import Renderer
from loop.traces.arms import FILTERED, RELABELLED, make
from loop.traces.habits import Habits
from loop.traces.importing import ImportRules, take
from loop.traces.mending import mended
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.reading import read
from loop.traces.sifting import filters, sift
from loop.types import Call, Catalogue, End, Message, Tool, Trajectory
from loop.weights.tiny import tiny

TEXT = {"type": "string"}
FIND = Tool(
    name="find_table",
    description="Find a restaurant",
    parameters={
        "type": "object",
        "properties": {"city": TEXT, "kind": TEXT, "price": TEXT},
        "required": ["city", "kind"],
    },
)
BOOK = Tool(
    name="book_table",
    description="Book a table",
    parameters={
        "type": "object",
        "properties": {"name": TEXT, "time": TEXT, "guests": TEXT},
        "required": ["name", "time"],
    },
)
TOOLS = Catalogue(tools=(FIND, BOOK))
PLACES = [
    ("Mua", "Oakland", "American"),
    ("Baan", "Oakland", "Thai"),
    ("Hanoi", "Berkeley", "Vietnamese"),
    ("Roma", "Albany", "Italian"),
]


def talk(number, call=None, said=None, after=None):
    name, city, kind = PLACES[number % 4]
    row = {"name": name, "city": city, "kind": kind, "price": "cheap", "phone": f"510-555-01{number:02}"}
    time, guests = f"{17 + number % 4}:00", str(2 + number % 3)
    found = Message(role="tool", name="find_table", content=json.dumps([row]))
    return [
        Message(role="user", content=f"{kind} food in {city}, number {number}"),
        call
        or Message(
            role="assistant", content="", calls=(Call(name="find_table", arguments={"city": city, "kind": kind}),)
        ),
        after or found,
        Message(role="assistant", content=said or f"{name} is nice."),
        Message(role="user", content=f"Book {name} at {time} for {guests}"),
        Message(
            role="assistant",
            content="",
            calls=(Call(name="book_table", arguments={"guests": guests, "name": name, "time": time}),),
        ),
        Message(role="tool", name="book_table", content=json.dumps([{**row, "time": time, "guests": guests}])),
        Message(role="assistant", content="It is booked."),
    ]


def play(messages, tools=TOOLS):
    return Trajectory(task="t", player="trace", end=End.CLOSED, messages=tuple(messages), catalogue=tools)


def habits(*more):
    return Habits.of([play(talk(number)) for number in range(12)] + list(more))


def test_a_lost_call_is_read_off_its_result():
    lost = talk(1, Message(role="assistant", content="Hm."))
    lost[2] = lost[2].model_copy(update={"name": None})
    done = mended(play(lost), habits(), TOOLS)
    assert done.trajectory.messages[1].calls == (
        Call(name="find_table", arguments={"city": "Oakland", "kind": "Thai"}),
    )
    assert done.trajectory.messages[2].name == "find_table"
    (change,) = done.changes
    assert (change["message"], change["how"], change["was"]["content"]) == (1, "recalled", "Hm.")


@pytest.mark.parametrize(
    "call",
    [
        Call(name="find_table", arguments={"city": "Albany", "kind": "Italian"}),
        Call(name="book_table", arguments={"city": "Oakland", "kind": "Thai"}),
    ],
)
def test_a_call_that_its_result_contradicts_is_read_off_the_result(call):
    wrong = talk(1, Message(role="assistant", content="", calls=(call,)))
    done = mended(play(wrong), habits(), TOOLS)
    assert done.trajectory.messages[1].calls == (
        Call(name="find_table", arguments={"city": "Oakland", "kind": "Thai"}),
    )


def test_a_right_trace_stays_as_it_is():
    done = mended(play(talk(3)), habits(), TOOLS)
    assert done.changes == ()
    assert done.trajectory.messages == tuple(talk(3))


def test_what_nothing_tells_is_not_made_up():
    empty = talk(1, Message(role="assistant", content="Hm."), after=Message(role="tool", content="[]"))
    assert mended(play(empty), habits(), TOOLS).changes == ()


def test_renamed_tools_get_todays_names_by_how_they_are_used():
    old = {"city": "town", "kind": "food", "name": "venue", "time": "when", "guests": "seats"}
    drifted = []
    for number in range(8):
        messages = []
        for message in talk(number):
            calls = tuple(
                Call(name=f"old_{call.name[:4]}", arguments={old[key]: value for key, value in call.arguments.items()})
                for call in message.calls
            )
            messages.append(message.model_copy(update={"calls": calls}))
        drifted.append(play(messages))
    known = habits(*drifted)
    for number, one in enumerate(drifted):
        done = mended(one, known, TOOLS)
        assert [call.name for call in done.trajectory.calls] == ["find_table", "book_table"]
        assert [dict(call.arguments) for call in done.trajectory.calls] == [
            dict(m.calls[0].arguments) for m in talk(number) if m.calls
        ]
        assert [message.name for message in done.trajectory.messages if message.role == "tool"] == [
            "find_table",
            "book_table",
        ]


@pytest.fixture
def store(tmp_path, write):
    """Ten good traces, and two in which a call is lost or a message tells what nothing tells."""

    def row(number, *, lost=False, strange=False):
        messages = []
        for message in talk(number, said="Try Best Western Plus Inn." if strange else None):
            spoken = {"role": message.role, "content": message.content}
            if message.calls:
                call = message.calls[0]
                spoken["tool_calls"] = [{"id": "1", "function": {"name": call.name, "arguments": dict(call.arguments)}}]
            if message.role == "tool":
                spoken["tool_call_id"] = "1"
            messages.append(spoken)
        if lost:
            messages[1] = {"role": "assistant", "content": "Let me see what there is."}
        tools = [{"type": "function", "function": tool.model_dump(mode="json")} for tool in TOOLS.tools]
        return {"messages": messages, "tools": tools}

    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as opened:
        rows = [*(row(number) for number in range(10)), row(10, lost=True), row(11, strange=True)]
        take(opened, read([write(*rows)]), ImportRules(heldout=0, scrub=False), Pseudonyms(b"k" * 32))
        yield opened


def test_filtered_learns_what_is_right_and_reads_the_rest(store):
    chosen = filters()
    sift(store, chosen)
    done = make(store, FILTERED, chosen, Catalogue())
    assert (done.taken, done.made, done.dropped, done.unlearned) == (10, 2, 0, 2)
    assert len(list(store.traces.lessons(DIRECT))) == 12
    lessons = list(store.traces.lessons(FILTERED))
    assert len(lessons) == 12
    unlearned = [[place for place, m in enumerate(each.trajectory.messages) if not m.learned] for each in lessons]
    assert sorted(places for places in unlearned if places) == [[1], [3]]
    made = list(store.traces.all(arm=FILTERED))
    assert {each.provenance.changes[0]["how"] for each in made} == {"not learned"}
    assert all(each.provenance.origin in {one.id for one in store.traces.all(arm=DIRECT)} for each in made)
    assert make(store, FILTERED, chosen, Catalogue()) == done
    assert len(list(store.traces.lessons(FILTERED))) == 12


def test_relabelled_puts_right_what_a_trace_tells(store):
    chosen = filters()
    sift(store, chosen)
    done = make(store, RELABELLED, chosen, Catalogue())
    assert done.changes == 1
    (mend,) = [each for each in store.traces.all(arm=RELABELLED) if each.provenance.changes[0]["how"] == "recalled"]
    assert mend.trajectory.messages[1].calls[0].name == "find_table"
    assert mend.trajectory.messages[1].learned
    origin = next(each for each in store.traces.all(arm=DIRECT) if each.id == mend.provenance.origin)
    assert origin.trajectory.messages[1].content == "Let me see what there is."
    assert len(list(store.traces.lessons(RELABELLED))) == 12


def test_what_is_not_to_be_learned_carries_no_loss(tmp_path):
    renderer = Renderer.load(tiny(tmp_path), "compact")
    messages = talk(1)
    whole = renderer.spans(messages, TOOLS)
    messages[1] = messages[1].model_copy(update={"learned": False})
    partly = renderer.spans(messages, TOOLS)
    assert [span.tokens for span in whole] == [span.tokens for span in partly]
    lost = {one.message for one, other in zip(whole, partly, strict=True) if one.loss and not other.loss}
    assert lost == {1}
    assert not any(span.loss for span in partly if span.message == 1)
