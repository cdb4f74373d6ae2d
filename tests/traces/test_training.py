"""A round that plays nothing trains on traces, and the same gates judge what came of it."""

import tomllib
from pathlib import Path

import pytest

from loop import config, daemon, parts
from loop.control.progress import Board
from loop.runtime import paths
from loop.runtime.signals import StopRequest
from loop.store import Store
from loop.testing import FakeGpu
from loop.traces.arms import FILTERED, make
from loop.traces.importing import ImportRules, take
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.reading import read
from loop.traces.sifting import filters, sift
from loop.types import Catalogue

REHEARSAL = tomllib.loads((Path(__file__).parents[1] / "rehearsal.toml").read_text())


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return paths.Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config").create()


def row(number):
    words = f"number {number} of all the things that could be asked for here"
    return {"messages": [{"role": "user", "content": words}, {"role": "assistant", "content": f"Here is {words}."}]}


def live(places, **outside):
    training = REHEARSAL["training"] | {"outside": outside}
    sampling = REHEARSAL["sampling"] | {"tasks": 0, "teacher_tasks": 0}
    tree = {**REHEARSAL, "training": training, "sampling": sampling, "rounds": 1}
    chosen = config.load(places, "quickstart", tree, {})
    shown = Board(places.run, chosen.profile)
    with parts.build(chosen, places, shown, StopRequest(), gpu=FakeGpu()) as loop:
        daemon.run(loop)
        return loop.store.rounds.all()[-1], loop.store.datasets.of(loop.store.rounds.all()[-1])


def test_a_round_trains_on_traces_alone(places, write):
    with Store.open(places.database) as store:
        rules = ImportRules(heldout=0.2, scrub=False)
        take(store, read([write(*(row(number) for number in range(40)))]), rules, Pseudonyms(b"k" * 32))
        chosen = filters()
        sift(store, chosen)
        make(store, FILTERED, chosen, Catalogue())
        lessons = {each.id for each in store.traces.lessons(FILTERED)}
    rnd, dataset = live(places, traces=1.0, arm="filtered")
    assert 8 <= len(lessons) < 40
    assert set(dataset.rows) == lessons
    assert dataset.counts["traces"] == len(lessons)
    with Store.open(places.database) as store:
        assert store.gates.results(rnd)


def test_without_traces_such_a_round_says_that_there_is_nothing_to_train_on(places):
    rnd, dataset = live(places, traces=1.0, arm="filtered")
    assert dataset.rows == ()
    assert rnd.reason == "no candidate: 0 accepted rows, training needs 8"
