"""What people say of answers is kept for ever; what can be grounded is learned, what is wrong is doubted and named."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from typer.testing import CliRunner

from loop import config, daemon, parts
from loop.cli.main import app
from loop.control.progress import Board
from loop.errors import CheckNegative, ConfigError, NotFound
from loop.rollout.play import play
from loop.runtime import paths
from loop.runtime.signals import StopRequest
from loop.stages import refreshing
from loop.store import Store
from loop.store.traces import CORRECTION
from loop.testing import FakeGpu
from loop.traces.corrections import SUSPECTED, accept_feedback, keep, lessons, pairs, settle, sound
from loop.traces.lessons import alike
from loop.types import Call, Message, Part, Play, Policy, Promotion, Standing
from task_generators.files import Files

ARM = next(arm for arm in Files().arms if arm.tier == "easy")
TOOL = {
    "name": "find",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as opened:
        yield opened


def played(store, seed):
    """One play of a generated task, in the store; its id, its task, and where its first call stands."""
    task = Files().make(ARM, seed)
    owed = Play(id=f"p{seed}", round=0, task=task, player=Part(use="scripted"), player_name="scripted", system="Act.")
    store.plays.owe(store.rounds.get(0), [task], [owed])
    trajectory = play(owed)
    store.plays.finish(owed, trajectory)
    place = next(place for place, message in enumerate(trajectory.messages) if message.calls)
    return owed.id, trajectory, place


def spelled(calls):
    return {
        "content": "",
        "tool_calls": [{"function": {"name": c.name, "arguments": dict(c.arguments)}} for c in calls],
    }


def chat(city="Oslo", called="Bergen"):
    call = {"id": "1", "function": {"name": "find", "arguments": {"city": called}}}
    return [{"role": "user", "content": f"Find me one in {city}"}, {"role": "assistant", "tool_calls": [call]}]


def edit(city="Oslo", wanted=None, **more):
    message = spelled([Call(name="find", arguments={"city": wanted or city})])
    return {"messages": chat(city), "tools": [TOOL], "kind": "edit", "message": message, **more}


def test_an_edit_is_kept_once_and_teaches_its_message_alone(store):
    taken = accept_feedback(store, edit(author="ada", note="wrong town"), 5)
    assert (taken.grounded, accept_feedback(store, edit(author="ada", note="wrong town"), 9).id) == (True, taken.id)
    assert keep(store) == 1
    assert keep(store) == 0
    (lesson,) = store.traces.lessons(CORRECTION)
    assert [message.learned for message in lesson.trajectory.messages] == [True, True]
    assert lesson.trajectory.messages[-1].calls == (Call(name="find", arguments={"city": "Oslo"}),)


def test_what_stands_before_a_correction_is_context(store):
    name, trajectory, _ = played(store, 3)
    last = len(trajectory.messages) - 1
    accept_feedback(store, {"trajectory": name, "kind": "edit", "message": {"content": "All of it is done."}}, 5)
    keep(store)
    (lesson,) = store.traces.lessons(CORRECTION)
    said = [message.learned for message in lesson.trajectory.messages if message.role == "assistant"]
    assert said == [False] * (len(said) - 1) + [True]
    assert len(lesson.trajectory.messages) == last + 1
    (pair,) = pairs(store)
    assert pair["chosen"][0]["content"] == "All of it is done."
    assert pair["rejected"][0]["content"] == trajectory.messages[-1].content


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"messages": chat(), "tools": [TOOL], "kind": "down"}, "does not say what would have been right"),
        ({"messages": chat(), "tools": [TOOL], "kind": "retry"}, "does not say what would have been right"),
        (edit(wanted="Paris"), "stands nowhere before"),
        (edit() | {"message": spelled([Call(name="seek", arguments={"city": "Oslo"})])}, "seek was not on offer"),
        (edit() | {"message": spelled([Call(name="find", arguments={"town": "Oslo"})])}, "missing required argument"),
        (edit() | {"place": 0}, "message 0 is not an answer"),
    ],
)
def test_what_cannot_be_grounded_teaches_nothing_and_says_why(store, payload, reason):
    taken = accept_feedback(store, payload, 5)
    assert not taken.grounded
    assert reason in taken.reason
    assert keep(store) == 0
    assert len(list(store.corrections.all())) == 1


@pytest.mark.parametrize(
    ("payload", "error", "says"),
    [
        ({}, ConfigError, "kind is ''. Known: up, down, edit"),
        ({"kind": "up"}, ConfigError, "messages is nothing, not a list"),
        ({"kind": "up", "trajectory": "nope"}, NotFound, "no trajectory begins with 'nope'"),
        ({"kind": "up", "messages": [{"role": "user", "content": "x"}]}, ConfigError, "no assistant says anything"),
        (edit() | {"mesage": 3}, ConfigError, "'mesage' is not a field. Known: author"),
        (edit() | {"place": -1}, ConfigError, "place is not a message number"),
        (
            edit() | {"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}},
            ConfigError,
            "cannot be read",
        ),
    ],
)
def test_a_payload_that_is_wrong_is_refused_with_the_field(store, payload, error, says):
    with pytest.raises(error, match=says.replace("(", r"\(").replace(".", r"\.")):
        accept_feedback(store, payload, 5)
    assert list(store.corrections.all()) == []


HOSTILE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@checked(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    field=st.sampled_from(["kind", "messages", "tools", "message", "place", "author", "note", "trajectory"]),
    value=HOSTILE,
)
def test_no_payload_breaks_anything(store, field, value):
    try:
        accept_feedback(store, edit() | {field: value}, 5)
    except (ConfigError, NotFound):
        return


def test_a_thumb_up_teaches_the_answer_and_prefers_nothing(store):
    name, _, place = played(store, 3)
    assert accept_feedback(store, {"trajectory": name, "place": place, "kind": "up"}, 5).grounded
    assert list(pairs(store)) == []
    assert keep(store) == 1


def test_a_call_that_the_tasks_own_plan_does_not_need_is_doubted(store):
    name, trajectory, place = played(store, 3)
    other = Call(name="pwd")
    taken = accept_feedback(store, {"trajectory": name, "place": place, "kind": "edit", "message": spelled([other])}, 5)
    assert not taken.grounded
    same = spelled(trajectory.messages[place].calls)
    assert accept_feedback(store, {"trajectory": name, "place": place, "kind": "edit", "message": same}, 6).grounded


def test_corrections_that_contradict_each_other_are_doubted_the_fewer_first(store):
    for author in "abc":
        accept_feedback(store, edit(author=author), 5)
    say = {"messages": chat(), "tools": [TOOL], "kind": "edit", "message": {"content": "Which Oslo?"}, "author": "d"}
    wrong = accept_feedback(store, say, 5).id
    learnable, skipped = lessons(store)
    assert len(learnable) == 3
    assert [(each.id, each.doubted) for each in skipped] == [(wrong, True)]


def test_the_same_calls_or_most_of_the_same_words_are_learned():
    call, other = Call(name="f", arguments={"a": 1}), Call(name="f", arguments={"a": 2})
    wanted = Message(role="assistant", content="", calls=(call,))
    assert alike(Message(role="assistant", content="Sure", calls=(call,)), wanted)
    assert not alike(Message(role="assistant", content="", calls=(other,)), wanted)
    assert not alike(Message(role="assistant", content="I called f"), wanted)
    told = Message(role="assistant", content="Which town do you mean?")
    assert alike(Message(role="assistant", content="Which town do you mean, please?"), told)
    assert not alike(Message(role="assistant", content="Done."), told)
    assert not alike(wanted, told)


REHEARSAL = tomllib.loads((Path(__file__).parents[1] / "rehearsal.toml").read_text())


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    return paths.find().create()


def live(places, **training):
    tree = {**REHEARSAL, "training": REHEARSAL["training"] | training, "rounds": 1}
    chosen = config.load(places, "quickstart", tree, {})
    with parts.build(chosen, places, Board(places.run, chosen.profile), StopRequest(), gpu=FakeGpu()) as loop:
        daemon.run(loop)
        return loop.store.rounds.all()[-1]


def taught(store, right, wrong):
    for number in range(right):
        accept_feedback(store, edit(f"town{number}x"), number)
    return [accept_feedback(store, edit(f"city{number}x", wanted="Atlantis"), number).id for number in range(wrong)]


def test_a_round_learns_from_corrections_without_playing_first_and_tells_what_was_learned(places):
    with Store.open(places.database) as store:
        taught(store, 12, 1)
    rnd = live(places, refresh={"after": 10}, outside={"corrections": 1.0})
    with Store.open(places.database) as store:
        assert store.plays.progress(rnd) == (0, 0)
        assert store.datasets.of(rnd).counts["corrections"] == 12
        assert len(store.corrections.learned(store.policies.candidate(rnd).id)) == 12
        assert rnd.reason.startswith("learned 0 of your 12 corrections")
        (event,) = store.events.read(kind=refreshing.REFRESH)
        assert event.fields["round"] == rnd.id


def test_a_poisoned_batch_is_not_learned_and_the_wrong_ones_are_named(places):
    with Store.open(places.database) as store:
        wrong = taught(store, 48, 12)
    rnd = live(places, refresh={"after": 10})
    with Store.open(places.database) as store:
        assert store.plays.progress(rnd)[1] > 0
        assert list(store.events.read(kind=refreshing.REFRESH)) == []
        (event,) = store.events.read(kind=refreshing.REFUSED)
        assert [each["correction"] for each in event.fields["doubted"]] == wrong
        assert event.fields["share"] == 0.2


POISON = {
    "stands nowhere before": edit("town50x", wanted="Atlantis"),
    "stands nowhere before  ": edit("town51x")
    | {"message": spelled([Call(name="find", arguments={"city": "town9x"})])},
    "nothing before": edit("town52x") | {"message": {"content": "I have found one for you: Villa Rosa."}},
    "was not on offer": edit("town53x") | {"message": spelled([Call(name="seek", arguments={"city": "town53x"})])},
    "wants something else": edit("town1x", author="eve") | {"message": {"content": "Which one?"}},
}


def test_each_kind_of_poison_is_named_with_its_reason(store):
    taught(store, 12, 0)
    wrong = {accept_feedback(store, each, number).id: reason for number, (reason, each) in enumerate(POISON.items())}
    learnable, skipped = lessons(store)
    doubted = {each.id: each.reason for each in skipped if each.doubted}
    assert set(doubted) == {*wrong, 2}  # 2 is the one that is contradicted
    assert len(learnable) == 11
    for number, reason in wrong.items():
        assert reason.strip() in doubted[number]


def test_good_corrections_of_a_refused_batch_are_learned_with_the_next(places):
    with Store.open(places.database) as store:
        taught(store, 8, 2)
        store.events.record(refreshing.REFUSED, last=10, share=0.2, doubted=[])
        for number in range(4):
            accept_feedback(store, edit(f"village{number}x"), number)
    rnd = live(places, refresh={"after": 10}, outside={"corrections": 1.0})
    with Store.open(places.database) as store:
        assert store.datasets.of(rnd).counts["corrections"] == 12


def test_old_corrections_do_not_thin_out_a_poisoned_batch(places):
    with Store.open(places.database) as store:
        taught(store, 60, 0)
        store.events.record(refreshing.REFRESH, round=0, last=60)
        for number in range(8):
            accept_feedback(store, edit(f"village{number}x"), number)
        wrong = [accept_feedback(store, edit(f"hamlet{n}x", wanted="Atlantis"), n).id for n in range(2)]
    live(places, refresh={"after": 8})
    with Store.open(places.database) as store:
        (event,) = store.events.read(kind=refreshing.REFUSED)
        assert [each["correction"] for each in event.fields["doubted"]] == wrong


def test_a_row_whose_correction_came_into_doubt_later_is_taught_no_more(store):
    accept_feedback(store, edit(author="ada"), 5)
    keep(store)
    (row,) = store.traces.lessons(CORRECTION)
    assert sound(store) == {row.id}
    say = {"messages": chat(), "tools": [TOOL], "kind": "edit", "message": {"content": "Which Oslo?"}, "author": "eve"}
    accept_feedback(store, say, 6)
    assert sound(store) == set()


def test_a_person_who_has_looked_may_confirm_what_is_doubted_or_withdraw_it(store):
    doubted, right = (accept_feedback(store, edit(wanted=city), 5).id for city in ("Atlantis", "Oslo"))
    settle(store, doubted, right=True, author="ada")
    learnable, skipped = lessons(store)
    assert [lesson.id for lesson in learnable] == [doubted]
    assert "wants something else" in skipped[0].reason
    settle(store, doubted, right=False)
    learnable, skipped = lessons(store)
    assert [each.id for each in learnable] == [right]
    assert [(each.id, each.reason, each.doubted) for each in skipped] == [(doubted, "it was withdrawn", False)]
    down = accept_feedback(store, {"messages": chat("Lund"), "tools": [TOOL], "kind": "down"}, 6).id
    with pytest.raises(CheckNegative, match="does not say what would have been right"):
        settle(store, down, right=True)
    with pytest.raises(NotFound, match="no correction 99"):
        settle(store, 99, right=True)


def test_a_refused_batch_is_learned_once_a_person_has_looked_at_all_that_is_doubted(places):
    with Store.open(places.database) as store:
        wrong = taught(store, 8, 2)
        doubted = [{"correction": number, "reason": "wrong"} for number in wrong]
        store.events.record(refreshing.REFUSED, last=wrong[-1], share=0.2, doubted=doubted)
    run = CliRunner().invoke
    assert "is withdrawn" in run(app, ["correction", "withdraw", *map(str, wrong), "--by", "ada"]).output
    rnd = live(places, refresh={"after": 8}, outside={"corrections": 1.0})
    with Store.open(places.database) as store:
        assert store.datasets.of(rnd).counts["corrections"] == 8


STOCK = Policy(base="base", system="Call tools.", template="chatml")


def test_a_candidate_that_lost_earlier_corrections_is_refused_and_what_it_learned_instead_is_named(store):
    old = [accept_feedback(store, edit(f"town{n}x", author="ada"), n).id for n in range(2)]
    store.events.record(refreshing.REFRESH, round=0, last=old[-1])
    words = {"content": "There is nothing there."}
    new = {"messages": chat("town9x"), "tools": [TOOL], "kind": "edit", "message": words, "author": "eve"}
    wrong = accept_feedback(store, new, 9).id
    lesson = {each.id: each for each in lessons(store)[0]}
    assert set(lesson) == {*old, wrong}
    store.policies.add(STOCK, Standing.CHAMPION)
    rnd = store.rounds.open("{}", 1)
    candidate = STOCK.model_copy(update={"adapter": "a", "parent": STOCK.id})
    store.policies.add(candidate, Standing.CANDIDATE, rnd)
    mistaken = Message(role="assistant", content="There is nothing there.")
    for number, each in lesson.items():
        store.corrections.score(number, STOCK.id, each.wanted, learned=number in old)
        answer = mistaken if number in old else each.wanted
        store.corrections.score(number, candidate.id, answer, learned=number not in old)
    decision = Promotion(candidate=candidate.id, promoted=True, reason="both gates hold")
    for _ in range(2):
        refused = refreshing.held(store, rnd, decision, (STOCK, candidate))
        assert not refused.promoted
        assert refused.reason.startswith("learned 1 of your 3 corrections, and lost more of the earlier ones")
        assert f"(lost: 1, 2; for the sake of {wrong})" in refused.reason
    assert len(list(store.events.read(kind=SUSPECTED))) == 1
    learnable, skipped = lessons(store)
    assert [each.id for each in learnable] == old
    assert f"round {rnd.id} learned it and lost correction" in skipped[0].reason


def test_the_commands_take_check_and_export_corrections(places, tmp_path):
    with Store.open(places.database) as store:
        name, trajectory, place = played(store, 3)
    run = CliRunner().invoke
    call = trajectory.messages[place].calls[0]
    told = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
    done = run(app, ["correct", name, "--place", str(place), "--call", f"{call.name}({told})", "--by", "ada"])
    assert "Correction 1 is kept; it can be learned." in done.output, done.exception
    done = run(app, ["correct", name, "--kind", "down"])
    assert "nothing is learned from it: 'down' does not say" in done.output
    assert len(json.loads(run(app, ["correction", "list", "--json"]).output)["rows"]) == 2
    assert run(app, ["correction", "check"]).exit_code == 0
    run(app, ["correct", name, "--place", str(place), "--call", "pwd()", "--by", "eve"])
    assert isinstance(run(app, ["correction", "check"]).exception, CheckNegative)
    assert "is confirmed" in run(app, ["correction", "confirm", "1"]).output
    assert "is withdrawn" in run(app, ["correction", "withdraw", "3"]).output
    assert run(app, ["correction", "check"]).exit_code == 0
    assert "pairs in" in run(app, ["correction", "export", str(tmp_path / "pairs.jsonl")]).output
    assert isinstance(run(app, ["correct", name, "--call", "rm("]).exception, ConfigError)
