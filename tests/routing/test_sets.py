"""A routed set: proposed after a specialist, judged by the same gates, asked by `loopd` once promoted, and undone."""

import shutil
import time

import pytest

from loop.gates.latency import Latency
from loop.testing import STOCK, Apprentice, Mute
from loop.types import GateVerdict, Record, Routing, Score, Specialist, Standing, Tier, Trial
from teachers.scripted import Scripted

FILES = "GorillaFileSystem"
EASY = {"window": 1, "level": 0.2, "spending": 0}
"""A dozen tasks decide, for these tests."""
GATES = [
    {"use": "depth", "settings": {"suite": "rehearsal-depth", **EASY}},
    {"use": "breadth", "settings": {"suite": "rehearsal-breadth", **EASY}},
]
MIX = {"gating": {"gates": GATES, "latency": 50}, "student": {"player": f"{__name__}:Narrow"}}


class Narrow(Apprentice):
    """Stock, it can do everything but files; trained, nothing but files."""

    def open(self, task, seed):
        able = (self.url != STOCK) == (FILES in task.backends)
        return Scripted().open(task, seed) if able else Mute()


class Hesitant(Record):
    """Thinks before it answers."""

    chat: object

    def reply(self, messages, catalogue):
        time.sleep(0.02)
        return self.chat.reply(messages, catalogue)


class Slow(Narrow):
    """Trained, it takes its time."""

    def open(self, task, seed):
        chat = super().open(task, seed)
        return chat if self.url == STOCK else Hesitant(chat=chat)


def gates_of(rehearsal, rnd):
    rows = rehearsal.json("sql", f"select gate, verdict, reason from v_gates where round = {rnd}")["rows"]
    return {row["gate"]: row for row in rows}


def test_a_set_is_proposed_judged_promoted_rolled_back_and_dissolved(rehearsal):
    rehearsal.live(**MIX)
    with rehearsal.store() as store:
        (stock, _), (files, standing), (routed, place) = store.policies.all()
    assert (standing, place) == (Standing.SPECIALIST, Standing.CHAMPION)
    assert routed.routing.specialists == (Specialist(topic=FILES, policy=files.id),)
    assert routed.members == (stock.id, files.id)
    assert routed.parent == stock.id
    judged(rehearsal, files, routed)
    undone(rehearsal, stock, routed)
    dissolved(rehearsal, files, routed)


def judged(rehearsal, files, routed):
    gates = gates_of(rehearsal, 2)
    assert {name: row["verdict"] for name, row in gates.items()} == dict.fromkeys(
        ("depth", "breadth", "latency"), "holds"
    )
    assert "times the champion's" in gates["latency"]["reason"]
    assert "latency holds: an answer takes" in rehearsal.loopd("gate", "explain", "2")
    assert "latency" in rehearsal.loopd("gate", "show", "2")
    query = "select routing, routed_only, decision from v_policies order by added, policy"
    shown = rehearsal.json("sql", query)["rows"]
    assert [row["routed_only"] for row in shown] == [0, 1, 0]
    assert shown[2]["decision"] == "promoted"
    assert files.id in shown[2]["routing"]
    card = rehearsal.loopd("model", "card", routed.id[:12])
    assert "Routed set" in card
    assert f"| answers {FILES} | `{files.id}` |" in card
    assert "files as published" in rehearsal.loopd("model", "verify")
    assert f"members: {routed.members[0][:12]}, " in rehearsal.loopd("model", "export", "out", code=1)
    assert rehearsal.loopd("fsck").startswith("Everything")
    assert "answered by specialists" in rehearsal.loopd("route", "eval", "--suite", "rehearsal-depth")


def undone(rehearsal, stock, routed):
    """A rollback stays: what was judged beside this champion is not proposed again."""
    rehearsal.loopd("model", "rollback", stock.id)
    rehearsal.live(**MIX, rounds=0)
    with rehearsal.store() as store:
        assert store.policies.champion() == stock
        assert len(store.rounds.all()) == 2
    rehearsal.loopd("model", "rollback", routed.id)


def dissolved(rehearsal, files, routed):
    shutil.rmtree(rehearsal.places.adapter(files))
    rehearsal.live(**MIX, rounds=0)
    with rehearsal.store() as store:
        assert store.policies.champion().id == routed.alone.id
        assert store.policies.standing(routed.id) is Standing.RETIRED
        told = [*store.events.read(kind="routing.dissolved")]
        assert [event.fields["policy"] for event in told] == [routed.id]
    (row,) = rehearsal.json("sql", "select reason from promotion order by id desc limit 1")["rows"]
    assert f"the adapter of its member {files.id[:12]} is gone" in row["reason"]


def test_no_set_is_proposed_where_the_settings_say_so_and_one_around_a_former_champion_is_put_aside(rehearsal):
    alone = {**MIX, "gating": {"gates": GATES, "route": False}}
    rehearsal.live(**alone)
    with rehearsal.store() as store:
        assert [standing for _, standing in store.policies.all()] == [Standing.CHAMPION, Standing.SPECIALIST]
        (stock, _), (files, _) = store.policies.all()
        told = {"topics": store.policies.keep_topics("{}"), "threshold": 0.8}
        routing = Routing(**told, specialists=(Specialist(topic="TravelAPI", policy=stock.id),))
        store.policies.propose(files.model_copy(update={"routing": routing, "parent": files.id}), "c", 1)
    rehearsal.live(**alone, rounds=0)
    with rehearsal.store() as store:
        assert store.policies.all()[2][1] is Standing.REJECTED
        reason = store.promotions.decided(store.rounds.get(2)).reason
        assert reason.startswith(f"dissolved: it was formed around {files.id[:12]}")
        assert not store.gates.results(store.rounds.get(2))


def test_a_set_that_keeps_people_waiting_is_not_promoted_and_is_no_specialist(rehearsal):
    rehearsal.live(gating={"gates": GATES}, student={"player": f"{__name__}:Slow"})
    with rehearsal.store() as store:
        standings = [standing for _, standing in store.policies.all()]
        reason = store.promotions.decided(store.rounds.get(2)).reason
    assert standings == [Standing.CHAMPION, Standing.SPECIALIST, Standing.REJECTED]
    assert reason.startswith("latency fails: an answer takes")


def scores(seconds):
    entries = [f"{number:064}" for number in range(len(seconds))]
    return [
        Score(
            task=task, backends=(FILES,), family="f", tier=Tier.EASY, sample=0, passed=True,
            measures={"seconds": value},
        )
        for task, value in zip(entries, seconds, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "verdict"), [(1.0, GateVerdict.HOLDS), (1.1, GateVerdict.HOLDS), (1.5, GateVerdict.FAILS)]
)
def test_latency_is_how_many_times_longer_an_answer_takes(times, verdict):
    champion = [0.1 + 0.01 * (number % 7) for number in range(60)]
    candidate = [times * each * (1 + 0.02 * (-1) ** number) for number, each in enumerate(champion)]
    result = Latency(first=60).judge(scores(champion), scores(candidate))
    part = next(part for part in result.parts if part.decides)
    assert result.verdict is verdict
    assert part.candidate_rate == pytest.approx(times, rel=0.01)
    assert part.low < times - 1 < part.high
    assert f"{times:.2f} times the champion's" in result.reason
    assert not result.improved


def test_latency_asks_for_plays_until_it_can_tell():
    entries = tuple(scores([1.0] * 60))
    trial = Trial(entries=entries)
    first = Latency(first=15).judge([], [], trial)
    assert first.verdict is GateVerdict.INCONCLUSIVE
    assert len(first.wants) == 15
    noisy = [1.0 if number % 2 else 4.0 for number in range(15)]
    more = Latency(first=15).judge(scores([1.5] * 15), scores(noisy), trial)
    assert more.verdict is GateVerdict.INCONCLUSIVE
    assert len(more.wants) == 15
