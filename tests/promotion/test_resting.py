"""A round that could promote nobody is not trained: it says so, and waits for a change."""

import threading

import pytest

from loop import config, daemon, parts
from loop.control import progress
from loop.runtime.signals import Stopped, StopRequest
from loop.stages import resting
from loop.testing import FakeGpu
from loop.types import Novelty, Standing
from task_generators.suites import suite

REST = {"gating": {"rest": True, "most_times": 1}}


class Untouched(FakeGpu):
    def training(self, job):
        raise AssertionError("it trains in vain")

    def serving(self, base, **more):
        raise AssertionError("it plays in vain")


def test_a_round_in_vain_plays_and_trains_nothing_and_says_why(rehearsal):
    rehearsal.live(**REST)
    now = rehearsal.live(gpu=Untouched(), **REST)
    told = "rests: not even a flawless candidate could be promoted: depth: the champion fails 0 of 8 tasks"
    rows = rehearsal.json("sql", "select state, reason, plays from v_rounds order by round")["rows"]
    assert rows[0]["plays"] > 0
    assert (rows[1]["state"], rows[1]["plays"]) == ("done", 0)
    assert rows[1]["reason"].startswith(told)
    assert now.decision.startswith(told)
    assert "rests: not even a flawless candidate" in rehearsal.loopd("status")


def test_a_first_round_and_one_that_is_wanted_all_the_same_are_trained(rehearsal):
    rehearsal.live(**REST)
    rehearsal.live(gating={"rest": False})
    with rehearsal.store() as store:
        assert [store.policies.candidate(rnd) is not None for rnd in store.rounds.all()] == [True, True]


PUPIL = """
from loop.testing import Apprentice

class Pupil(Apprentice):
    '''A student that goes on failing every ninth task.'''
    misses: int = 9
"""


def test_where_larger_suites_leave_something_to_gain_they_are_drawn_and_the_round_goes_on(rehearsal, monkeypatch):
    (rehearsal.home / "pupils.py").write_text(PUPIL)
    monkeypatch.syspath_prepend(rehearsal.home)
    settings = {"gating": {"rest": True, "most_times": 16}, "student": {"player": "pupils:Pupil"}}
    rehearsal.live(**settings)
    rehearsal.live(**settings)
    with rehearsal.store() as store:
        times = {name: store.suites.grown(f"rehearsal-{name}") for name in ("depth", "breadth")}
        assert times["breadth"] > 1
        judged = {result.gate: result for result in store.gates.results(store.rounds.get(2))}
        events = [event.fields for event in store.events.read(kind="suite.grown")]
    assert {event["suite"]: event["times"] for event in events} == {
        f"rehearsal-{n}": k for n, k in times.items() if k > 1
    }
    assert judged["breadth"].suite == f"rehearsal-breadth.{times['breadth']}"
    old, new = suite("rehearsal-breadth"), suite(judged["breadth"].suite)
    assert (len(new.tasks), new.id != old.id) == (len(old.tasks) * times["breadth"], True)
    assert {task.id for task in old.tasks} < {task.id for task in new.tasks}
    names = {row["suite"] for row in rehearsal.json("sql", "select distinct suite from v_suites")["rows"]}
    assert {old.name, new.name} <= names, "what was measured before stays under its own digest"
    sizes = {row["gate"]: row["tasks"] for row in rehearsal.json("gate", "power", "--runs", "10")["comparisons"]}
    trained = [task for task in new.tasks if task.novelty is not Novelty.FAMILY]
    assert sizes["breadth"] == len(trained) / 2, "half of them for each backend"


@pytest.fixture
def resting_loop(rehearsal, monkeypatch):
    """A loop that rests for ever, in a thread: how to stop it, and the home."""
    rehearsal.live(**REST)
    monkeypatch.setattr(resting, "EVERY", 0.05)
    stop, ended = StopRequest(), []

    def live():
        chosen = config.load(rehearsal.places, "quickstart", {"rounds": None, **REST}, {})
        shown = progress.Board(rehearsal.places.run, chosen.profile)
        with parts.build(chosen, rehearsal.places, shown, stop, gpu=FakeGpu()) as loop:
            try:
                daemon.run(loop)
            except Stopped as error:
                ended.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    yield rehearsal
    stop.ask()
    thread.join(30)
    assert ended, "it stops when asked"


def wait_for(store, rounds, state="done"):
    for _ in range(600):
        found = store.rounds.all()
        if len(found) >= rounds and found[rounds - 1].state == state:
            return found
        threading.Event().wait(0.05)
    raise AssertionError([(rnd.id, rnd.state) for rnd in store.rounds.all()])


def test_it_rests_in_one_round_until_something_is_proposed(resting_loop):
    with resting_loop.store() as store:
        wait_for(store, 2)
        threading.Event().wait(0.5)
        assert len(store.rounds.all()) == 2
        policy = store.policies.champion().model_copy(
            update={"system": "Plan.", "parent": store.policies.champion().id}
        )
        proposed = store.policies.propose(policy, "config", 0)
        found = wait_for(store, proposed)
        assert store.policies.standing(policy.id) is not Standing.CANDIDATE
        assert found[proposed - 1].state == "done"
