"""A judge is asked twice and never decides; a label of a committee must pass every filter. They ask a loopback fake."""

import json

import pytest
from typer.testing import CliRunner

from loop.cli.main import app
from loop.errors import ConfigError
from loop.store import Store
from loop.store.traces import Kept, Provenance
from loop.traces.importing import task_of, trajectory_of
from loop.traces.judging import RUBRIC, agreement, opinions, voted
from loop.traces.sifting import filters, required
from loop.traces.trace import Trace
from loop.types import Call, Catalogue, Message, Split, Tool
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import saying

TOOLS = Catalogue(
    tools=(
        Tool(
            name="find",
            description="Find a place",
            parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        ),
    )
)


def called(city, name="find"):
    return Message(role="assistant", content="", calls=(Call(name=name, arguments={"city": city}),))


def verdict(*, good):
    given = {"reason": "Message 1 says so.", "good": good, "score": None}
    return Message(role="assistant", content="", calls=(Call(name="judgement", arguments=given),))


def kept(name, call):
    messages = (
        Message(role="user", content=f"A place in Oslo, {name}"),
        call,
        Message(role="tool", name="find", content='[{"city": "Oslo", "place": "Mua"}]'),
        Message(role="assistant", content="There is Mua."),
    )
    task = task_of(messages, TOOLS, f"trace/{name}", Split.TRAIN)
    trajectory = trajectory_of(task, Trace(messages=messages), TOOLS)
    return Kept(id=name, task=task, trajectory=trajectory, provenance=Provenance())


@pytest.fixture
def api(monkeypatch):
    monkeypatch.delenv("DS_KEY_FILE", raising=False)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    with FakeDeepSeek(key="sk-fake-0123456789abcdef") as fake:
        yield fake


@pytest.fixture
def teacher(api):
    return DeepSeek(base_url=api.url, step_s=20.0)


def test_a_judge_is_asked_twice_and_its_agreement_is_told(api, teacher):
    api.mind = saying(*(verdict(good=good) for good in (True, True, True, False)))
    found = list(opinions(teacher, RUBRIC, [kept("a", called("Oslo")), kept("b", called("Oslo"))]))
    assert [(each.id, each.verdict.passed, each.agreed) for each in found] == [("a", True, True), ("b", False, False)]
    done = agreement(found, {"a": True, "b": True, "c": False})
    assert (done.judged, done.good, done.agreed, done.labelled, done.like_people) == (2, 1, 1, 2, 1)
    assert done.usage.requests == 4
    assert done.words == "1 of 2 are good; it agrees with itself in 1, with people in 1 of 2"


def test_a_judge_decides_nothing(api, teacher, tmp_path):
    api.mind = saying(verdict(good=False))
    chosen = filters()
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as store:
        store.traces.keep([kept("a", called("Oslo"))])
        given = [each.check(kept("a", called("Oslo")).task, kept("a", called("Oslo")).trajectory) for each in chosen]
        store.verdicts.record("a", given, required(chosen))
        (found,) = opinions(teacher, RUBRIC, store.traces.all(accepted=True))
        store.verdicts.record("a", [found.verdict], required(chosen))
        assert [each.id for each in store.traces.all(accepted=True)] == ["a"]
        told = {each.checker: each.passed for each in store.trajectories.get("a").verdicts}
        assert told["trace-judge"] is False


def test_a_committee_labels_what_a_filter_refused_and_the_label_must_pass(api, teacher):
    wrong = kept("a", called("Oslo", "seek")).trajectory
    api.mind = saying(called("Oslo"))
    done = voted(wrong, [teacher, teacher], filters())
    assert done.trajectory.messages[1].calls == called("Oslo").calls
    (change,) = done.changes
    assert (change["message"], change["how"], change["why"]) == (1, "voted", "2 of 2 teachers say so")
    assert change["was"]["calls"] == [{"name": "seek", "arguments": {"city": "Oslo"}}]
    api.mind = saying(called("Paris"))
    assert voted(wrong, [teacher], filters()).changes == ()


def test_nobody_is_asked_about_what_is_right(api, teacher):
    right = kept("a", called("Oslo")).trajectory
    assert voted(right, [teacher], filters()).trajectory == right
    assert api.seen == []


def test_the_command_wants_a_teacher_that_asks_a_model(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps({"a": 1}))
    for words in (
        ["trace", "judge"],
        ["trace", "judge", "--labels", "labels.json"],
        ["trace", "make", "relabelled", "--committee"],
    ):
        assert isinstance(CliRunner().invoke(app, words).exception, ConfigError), words
