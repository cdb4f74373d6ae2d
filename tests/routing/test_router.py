"""The router knows what a request is about, and sends it to a specialist only where that one is better beyond doubt."""

import json

import pytest
from typer.testing import CliRunner

from loop.cli.main import app
from loop.routing.gains import Gain
from loop.routing.router import Router, chosen, evaluate
from loop.routing.sets import examples_of
from loop.routing.topics import Example, Topics
from loop.runtime import paths
from loop.store import Store
from loop.types import Part, Policy, Standing
from task_generators.backends.catalogues import tools_of
from task_generators.suites import suite

GENERATORS = ("files", "trading", "travel", "vehicle", "tickets", "messages", "twitter", "maths", "sql")
CHAMPION = Policy(base="b", system="", template="t")
FILES = CHAMPION.model_copy(update={"adapter": "f" * 64, "parent": CHAMPION.id})
BACKEND = "GorillaFileSystem"


@pytest.fixture(scope="module")
def topics():
    examples = [each for name in GENERATORS for each in examples_of(Part(use=name))]
    whole = [Example(tools=tools_of(topic), text="", topic=topic) for topic in {each.topic for each in examples}]
    return Topics.learned([*examples, *whole])


def tasks(name):
    return [task for task in suite(name).tasks if len(task.backends) == 1]


def router(topics, **changes):
    gain = Gain(policy=FILES.id, backend=BACKEND, suite="depth", tasks=100, gain=0.3, low=0.2)
    return Router(topics, CHAMPION, chosen([gain.model_copy(update=changes)]))


def test_it_knows_what_held_out_tasks_are_about_though_it_learned_from_training_tasks_alone(topics):
    for name in ("quick-breadth", "breadth-52"):
        read = [topics.read(Example.of(task)).best[0] == task.backends[0] for task in tasks(name)]
        assert sum(read) == len(read)
    by_words = [topics.read(Example.of(task), by="words") for task in tasks("quick-breadth")]
    right = [read.best[0] == task.backends[0] for read, task in zip(by_words, tasks("quick-breadth"), strict=True)]
    assert sum(right) / len(right) > 0.7
    sure = [good for read, good in zip(by_words, right, strict=True) if read.best[1] >= 0.8]
    assert sum(sure) / len(sure) > 0.95


def test_learning_is_the_same_every_time(topics):
    again = [each for name in GENERATORS for each in examples_of(Part(use=name))]
    task = Example.of(tasks("quick-breadth")[0])
    one = Topics.learned(again).read(task)
    assert one == Topics.learned(list(again)).read(task)


def test_a_specialist_gets_what_it_is_better_at_and_nothing_else(topics):
    routes = router(topics)
    for task in tasks("quick-breadth"):
        route = routes.route(Example.of(task))
        assert route.specialist == (task.backends == (BACKEND,))
        assert route.policy == (FILES if route.specialist else CHAMPION).id
        assert route.reason


@pytest.mark.parametrize("low", [0.0, -0.1])
def test_a_gain_that_is_not_beyond_doubt_moves_nobody(topics, low):
    told = evaluate(router(topics, low=low), [Example.of(task) for task in tasks("quick-breadth")])
    assert told.coverage == 0
    assert told.policies == {CHAMPION.id: told.requests}


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ((), ""),
        ((), "Was ist das Wetter in Oslo?"),
        (("get_weather", "lookup"), "What is the weather?"),
        (("ls", "get_weather", "post_tweet", "lookup"), "Do it."),
        (("x" * 100_000,), "y " * 100_000),
        (("\ud800",), "\ud800\x00"),
    ],
)
def test_what_is_like_nothing_known_goes_to_the_champion(topics, tools, text):
    route = router(topics).route(Example(tools=tools, text=text))
    assert not route.specialist
    assert 0 <= route.confidence <= 1
    assert json.dumps(route.model_dump())


def test_without_labels_it_tells_coverage_confidence_and_disagreement(topics):
    examples = [Example.of(task) for task in tasks("quick-breadth")]
    told = evaluate(router(topics), examples)
    mine = sum(task.backends == (BACKEND,) for task in tasks("quick-breadth"))
    assert told.coverage == pytest.approx(mine / len(examples))
    assert told.confidence > 0.9
    assert 0 < told.disagreement < 0.2
    assert evaluate(router(topics), []).requests == 0


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    with Store.open(paths.find().create().database) as store:
        store.policies.add(CHAMPION, Standing.CHAMPION)
    return tmp_path


def typed(*words, **more):
    return CliRunner().invoke(app, ["route", *words], **more)


def test_the_verbs_say_who_would_answer(home):
    tools = [{"type": "function", "function": {"name": name}} for name in ("mv", "ls", "cd")]
    request = json.dumps({"messages": [{"role": "user", "content": "Move a into b."}], "tools": tools})
    told = typed("explain", "-", "--json", input=request)
    assert told.exit_code == 0
    route = json.loads(told.output)
    assert (route["policy"], route["topic"], route["specialist"]) == (CHAMPION.id, BACKEND, False)
    (home / "requests.jsonl").write_text(f"{request}\n\n{request}\n")
    told = json.loads(typed("eval", "--requests", str(home / "requests.jsonl"), "--json").output)
    assert (told["requests"], told["coverage"], told["policies"]) == (2, 0.0, {CHAMPION.id: 2})
    assert "mean confidence" in typed("eval", "--suite", "files-easy", "--limit", "5").output


@pytest.mark.parametrize(("said", "why"), [("{", "not JSON"), ("[]", "not a request"), ('{"messages": 3}', "OpenAI")])
def test_what_is_no_request_is_refused(home, said, why):
    told = typed("explain", "-", input=said)
    assert why in str(told.exception)
