"""A correction that cannot be right is doubted, and the reason says why; one that can is not."""

import json

import pytest

from loop.rollout.play import play
from loop.traces.grounding.doubts import doubt
from loop.traces.lessons import Lesson, agree
from loop.traces.precedents import Objection, accepted, contradicted, superseded, uncommon
from loop.types import Accepted, Call, Catalogue, End, Message, Part, Play, Tool, Trajectory
from task_generators.files import Files

TEXT = {"type": "string"}
FIND = {"type": "object", "properties": {"city": TEXT, "kind": TEXT}, "required": ["city", "kind"]}
BOOK = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "date": TEXT,
        "time": TEXT,
        "guests": TEXT | {"enum": ["1", "2", "3", "4", "5", "6"]},
        "city": TEXT,
    },
    "required": ["name", "time"],
}
TOOLS = Catalogue(
    tools=(
        Tool(name="find_table", description="Find restaurants", parameters=FIND),
        Tool(name="book_table", description="Book a table", parameters=BOOK),
        Tool(name="cancel_booking", description="Cancel", parameters={"type": "object", "properties": {"name": TEXT}}),
    )
)
ROWS = [
    {"name": "Blue Lagoon", "city": "San Francisco", "kind": "Thai", "phone": "415-555-0101"},
    {"name": "Mua", "city": "Oakland", "kind": "Thai", "phone": "510-555-0199"},
]


def user(text):
    return Message(role="user", content=text)


def calling(name, /, **arguments):
    return Message(role="assistant", content="", calls=(Call(name=name, arguments=arguments),))


def saying(text):
    return Message(role="assistant", content=text)


def tool(name, value, ok=None):
    return Message(role="tool", name=name, content=json.dumps(value), ok=ok)


ASKED = (user("Thai food in SF or Oakland please"),)
FOUND = (*ASKED, calling("find_table", city="San Francisco", kind="Thai"), tool("find_table", ROWS))
BOOKING = (*FOUND, saying("Blue Lagoon or Mua?"), user("The Blue Lagoon, at 7 pm on March 8th, for two"))
BOOKED = calling("book_table", name="Blue Lagoon", date="2026-03-08", time="19:00", guests="2")
DONE = (*BOOKING, BOOKED, tool("book_table", [ROWS[0] | {"time": "19:00", "guests": "2"}]))

SERVED = (
    user("Tell me about Roma in Oslo"),
    calling("find_table", city="Oslo", kind="Roma"),
    tool("find_table", [{"name": "Roma", "serves_alcohol": "False", "has_live_music": True}]),
)


def lesson(before, wanted, number=1, **more):
    return Lesson(number, before, wanted, None, TOOLS, None, None)._replace(**more)


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (ASKED, calling("find_table", city="San Francisco", kind="Thai")),
        (ASKED, calling("find_table", city="Oakland", kind="Thai")),
        (ASKED, saying("Which of the two cities?")),
        (FOUND, saying("There are two: Blue Lagoon in San Francisco and Mua in Oakland.")),
        (FOUND, saying("Mua is in Oakland; its number is 510-555-0199.")),
        (BOOKING, BOOKED),
        (BOOKING, calling("book_table", name="Blue Lagoon", time="19:00")),
        ((*BOOKING, user("Make it tomorrow")), calling("book_table", name="Mua", time="7 pm", date="2026-03-08")),
        ((*FOUND, user("Mua, a table tonight at half past seven")),
         calling("book_table", name="Mua", date="2026-11-28", time="19:30")),
        (DONE, saying("Your table at Blue Lagoon is booked for 7 pm.")),
        (DONE, saying("I've booked it for two people.")),
        (BOOKING, saying("Shall I book it?")),
        (BOOKING, saying("I could not book it.")),
        (SERVED, saying("They do not serve alcohol, but there is live music.")),
        (SERVED, saying("There is no alcohol and no live music?")),
        (SERVED, saying("Roma has live music and no alcohol.")),
    ],
)  # fmt: skip
def test_what_can_be_right_is_not_doubted(before, wanted):
    assert doubt(lesson(before, wanted)) is None


@pytest.mark.parametrize(
    ("before", "wanted", "reason"),
    [
        (ASKED, calling("find_table", city="Paris", kind="Thai"), "stands nowhere before"),
        (ASKED, calling("find_table", city="San Diego", kind="Thai"), "stands nowhere before"),
        (BOOKING, calling("book_table", name="Red Lagoon", time="19:00"), "stands nowhere before"),
        (BOOKING, calling("book_table", name="Blue Lagoon", time="19:00", guests="4"), "what was said is '2'"),
        (BOOKING, calling("book_table", name="Blue Lagoon", time="20:15"), "stands nowhere before"),
        (BOOKING, calling("book_table", name="Blue Lagoon", time="19:00", date="2026-03-09"), "stands nowhere before"),
        (FOUND, calling("book_table", name="Mua", time="19:00"), "stands nowhere before"),
        (FOUND, calling("find_table", city="Mua", kind="Thai"), "the tools have it as name"),
        (ASKED, calling("find_bar", city="Oakland", kind="Thai"), "was not on offer"),
        ((*BOOKING, BOOKED, tool("book_table", {"error": "closed"}, ok=False)), BOOKED, "just answered with an error"),
        ((*BOOKING, BOOKED, tool("book_table", {"error": "closed"})), BOOKED, "just answered with an error"),
        (BOOKING, saying("I've booked Blue Lagoon for you at 7 pm."), "it says that something was booked"),
        ((*BOOKING, BOOKED, tool("book_table", {"error": "closed"})), saying("It is booked."), "was booked"),
        (DONE, saying("Your booking was cancelled."), "was cancelled"),
        (FOUND, saying("Mua is in Oakland; its number is 415-555-0101."), "is the phone of 'Blue Lagoon'"),
        (FOUND, saying("Call them: 510-555-7777."), "nothing that was said or seen has"),
        (FOUND, saying("The Golden Palace is a good one."), "nothing before tells of"),
        (FOUND, saying(" "), "it says nothing"),
        (SERVED, saying("They serve alcohol."), "the results say that serves_alcohol is false"),
        (SERVED, saying("Roma serves alcohol, but has no live music."), "that serves_alcohol is false"),
        (SERVED, saying("No, they do not have live music."), "the results say that has_live_music is true"),
    ],
)
def test_what_cannot_be_right_is_doubted_with_the_reason(before, wanted, reason):
    assert reason in (doubt(lesson(before, wanted)) or "")


def test_a_call_that_the_system_prompt_supplies_is_not_doubted():
    before = (Message(role="system", content="The user lives in Bergen."), user("Any Thai food near me?"))
    assert doubt(lesson(before, calling("find_table", city="Bergen", kind="Thai"))) is None


# --- held to a task's plan -------------------------------------------------------------------------------------------


def plays():
    files = Files()
    for arm in files.arms:
        for seed in range(2):
            task = files.make(arm, seed)
            owed = Play(id="p", round=0, task=task, player=Part(use="scripted"), player_name="scripted", system="Act.")
            yield task, play(owed)


PLAYS = list(plays())


def test_what_a_right_player_does_is_not_doubted():
    doubted = [
        reason
        for task, trajectory in PLAYS
        for place, message in enumerate(trajectory.messages)
        if message.role == "assistant"
        and (reason := doubt(Lesson(1, trajectory.messages[:place], message, None, trajectory.catalogue, task, "p")))
    ]
    assert doubted == []


def test_ending_a_turn_before_it_is_done_is_doubted():
    for task, trajectory in PLAYS[:8]:
        place = next(place for place, message in enumerate(trajectory.messages) if message.calls)
        early = Lesson(1, trajectory.messages[:place], saying("Done."), None, trajectory.catalogue, task, "p")
        assert doubt(early)


def test_a_write_with_another_value_is_doubted_though_it_answers_the_same():
    wrong = seen = 0
    for task, trajectory in PLAYS:
        for place, message in enumerate(trajectory.messages):
            for call in message.calls:
                if call.name != "mkdir":
                    continue
                other = message.model_copy(update={"calls": (Call(name="mkdir", arguments={"dir_name": "other"}),)})
                seen += 1
                wrong += (
                    doubt(Lesson(1, trajectory.messages[:place], other, None, trajectory.catalogue, task, "p"))
                    is not None
                )
    assert seen
    assert wrong == seen


# --- held to each other ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (saying("Which city?"), saying("What city do you mean?"), True),
        (saying("It opens at 9."), saying("It opens at 9, and it is cheap."), True),
        (saying("It opens at 9."), saying("It opens at 10."), False),
        (saying("It is open."), saying("It is not open."), False),
        (saying("Which city?"), saying("It is in the city."), False),
        (saying("One is Mua there."), saying("One is Roma there."), False),
        (calling("a", x=1), calling("a", x=1), True),
        (calling("a", x=1), calling("a", x=2), False),
        (calling("a", x=1), saying("x"), False),
    ],
)
def test_words_agree_where_neither_denies_the_other(one, other, both):
    assert agree(one, other) is both


def test_two_people_who_want_different_answers_are_doubted_whatever_the_blanks():
    spaced = (user("Thai  food in sf or Oakland PLEASE"),)
    one = lesson(ASKED, calling("find_table", city="Oakland", kind="Thai"), 1, author="ada")
    other = lesson(spaced, calling("find_table", city="San Francisco", kind="Thai"), 2, author="eve")
    assert set(contradicted([one, other])) == {1, 2}
    assert set(contradicted([one, other, one._replace(id=3, author="bob")])) == {2}


def test_a_person_who_changes_their_mind_does_not_contradict_themselves():
    one = lesson(ASKED, calling("find_table", city="Oakland", kind="Thai"), 1, author="ada")
    later = lesson(ASKED, calling("find_table", city="San Francisco", kind="Thai"), 2, author="ada")
    assert [(each.id, each.doubted) for each in superseded([one, later])] == [(1, False)]
    assert list(superseded([one, one._replace(id=2)])) == []


def test_an_answer_that_somebody_else_calls_wrong_is_doubted():
    praised = lesson(ASKED, calling("find_table", city="Oakland", kind="Thai"), 1)
    down = Objection(2, praised._replace(id=2))
    assert "correction 2 says that this answer is wrong" in contradicted([praised], [down])[1]
    assert contradicted([praised, praised._replace(id=3)], [down]) == {}


def finding(number, city, wanted=None, origin=None):
    before = (user(f"Could you look for some {['Thai', 'Greek'][number % 2]} food in {city} tonight"),)
    call = calling("find_table", city=city, kind=["Thai", "Greek"][number % 2])
    return lesson(before, wanted or call, number, origin=origin)


CITIES = ("Oslo", "Lund", "Bergen", "Turku", "Graz")


def test_a_tool_that_nobody_else_calls_after_such_a_request_is_doubted():
    right = [finding(number, city) for number, city in enumerate(CITIES, 1)]
    wrong = finding(6, "Ghent", calling("cancel_booking", name="Ghent"))
    doubted = uncommon([*right, wrong])
    assert set(doubted) == {6}
    assert doubted[6] == "requests in such words ask for find_table (there are 5), not cancel_booking"
    assert uncommon([*right, finding(6, "Ghent")]) == {}


def test_accepted_plays_speak_against_a_wrong_tool():
    wrong = finding(6, "Ghent", calling("cancel_booking", name="Ghent"))
    shown = [finding(number, city) for number, city in enumerate(CITIES, 1)]
    played = [
        Accepted(
            id=f"play-{each.id}",
            task=PLAYS[0][0],
            trajectory=Trajectory(
                task="t", player="student", end=End.CLOSED, messages=(*each.before, each.wanted), catalogue=TOOLS
            ),
        )
        for each in shown
    ]
    assert set(uncommon([wrong], accepted(played))) == {6}
    assert uncommon([wrong._replace(origin="play-1")], accepted(played[:3])) == {}


def test_the_first_who_wants_another_tool_in_other_words_is_not_doubted():
    right = [finding(number, city) for number, city in enumerate(CITIES, 1)]
    other = lesson(
        (user("We cannot make it to Mua after all, so drop the booking"),), calling("cancel_booking", name="Mua")
    )
    assert uncommon([*right, other._replace(id=9)]) == {}
