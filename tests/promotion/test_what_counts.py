"""What counts: a play under its own conditions, a twin for no promotion, an idle player for no ceiling."""

import json
import logging

import pytest

from loop.cli.suite import _without
from loop.errors import CheckNegative
from loop.store import Store
from loop.types import TWIN, GateResult, GateVerdict, Part, Policy, Promotion, RoundState, Standing
from task_generators.suites import WRITTEN, suite

SEALED = {"gating": {"sealed": 1}}


@pytest.fixture(autouse=True)
def closed_logs():
    """A command that plays logs to a file of its own; here several do so in one process."""
    before = logging.getLogger().handlers[:]
    yield
    for handler in logging.getLogger().handlers:
        if handler not in before:
            handler.close()
    logging.getLogger().handlers[:] = before


def played(rehearsal, player):
    """Play the suite; the last line of the table, which is behind what was said on the way."""
    said = rehearsal.loopd("suite", "run", "rehearsal-depth", "--player", player, "--json")
    return json.loads(said[said.index("{") :])["rows"][-1]


def test_a_play_under_another_rule_is_never_counted(rehearsal, monkeypatch):
    assert played(rehearsal, "scripted") == {"what": "rehearsal-depth", "passed": 10, "of": 10, "rate": 1}
    logging.getLogger().handlers[-1].close()
    monkeypatch.setenv("LOOPD_RULE", '{ name = "short", steps_per_turn = 1 }')
    assert played(rehearsal, "scripted") == {"what": "rehearsal-depth", "passed": 4, "of": 10, "rate": 0.4}


RAISING = """
from typing import ClassVar

from loop.types import Record, Tier, Verdict

__all__ = ["Raising"]


class Raising(Record):
    version: ClassVar[int] = 3

    @property
    def name(self):
        return "raising"

    def check(self, task, trajectory):
        if trajectory.player == "scripted":
            raise RecursionError("a folder that holds itself")
        return Verdict(checker=self.name, version=self.version, passed=True, score=1, reason="right")
"""


def test_a_checker_that_raises_on_a_play_fails_that_play_and_no_round(rehearsal, monkeypatch, tmp_path):
    (tmp_path / "raising_checker.py").write_text(RAISING)
    monkeypatch.syspath_prepend(tmp_path)
    settings = rehearsal.home / "loopd.toml"
    settings.write_text(settings.read_text() + '[[checkers]]\nuse = "raising_checker:Raising"\n')
    rehearsal.live()
    query = "select player, passed, reason from v_verdicts where checker = 'raising' group by 1, 2, 3"
    rows = {row["player"]: row for row in rehearsal.json("sql", query)["rows"]}
    scripted = rows.pop("scripted")
    assert (scripted["passed"], scripted["reason"]) == (
        0,
        "the checker raised RecursionError: a folder that holds itself",
    )
    assert {row["passed"] for row in rows.values()} == {1}


def test_an_idle_player_does_not_lower_a_ceiling(rehearsal):
    rehearsal.loopd("suite", "run", "rehearsal-depth", "--player", "idle")
    assert rehearsal.json("suite", "show", "rehearsal-depth")["ceiling"] == 1
    query = "select sum(teacher_plays) as plays from v_ledger where suite = 'rehearsal-depth'"
    assert rehearsal.json("sql", query)["rows"] == [{"plays": 0}]


def test_unsound_tasks_count_in_no_view(rehearsal):
    played(rehearsal, "scripted")
    rehearsal.loopd("suite", "flaw", "rehearsal-depth", suite("rehearsal-depth").tasks[0].id, "--note", "a test")
    rates = rehearsal.json("sql", "select tasks_scored, pass_rate from v_suites where suite = 'rehearsal-depth'")
    assert rates["rows"] == [{"tasks_scored": 9, "pass_rate": 1}]


def result(gate, verdict, champion):
    rates = dict.fromkeys(("champion_rate", "candidate_rate", "difference", "low", "high", "margin"), 0.5)
    return GateResult(gate=gate, verdict=verdict, reason="", tasks=1, samples=1, champion=champion, **rates)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/loopd.db") as opened:
        yield opened


@pytest.fixture
def rivals(store):
    """The stock model as champion, and a candidate in a round of its own that every gate holds for."""
    stock = store.policies.add(Policy(base="b", system="", template="t"), Standing.CHAMPION)
    better = stock.model_copy(update={"system": "Plan.", "parent": stock.id})
    rnd = store.rounds.get(store.policies.propose(better, "config", 0))
    for gate in ("breadth", "depth"):
        store.gates.save(rnd, result(gate, GateVerdict.HOLDS, stock.id))
    return stock, better, rnd


def ended(store, rnd):
    for state in (RoundState.PROMOTE, RoundState.DONE):
        rnd = store.rounds.advance(rnd, state)
    return rnd


def opened(store, rnd, candidate, champion, verdict=GateVerdict.FAILS):
    who = {"candidate": candidate.id, "champion": champion.id}
    store.openings.save(rnd, [result(f"depth{TWIN}", verdict, champion.id).model_copy(update=who)])


def test_a_former_champion_is_promoted_again_whatever_its_twins_said(store, rivals):
    stock, better, rnd = rivals
    yes = Promotion(candidate=better.id, promoted=True, reason="held")
    assert store.promotions.decide(rnd, yes, ["breadth", "depth"]).promoted
    opened(store, ended(store, rnd), better, stock)
    store.promotions.roll_back(stock.id, "a test")
    again = store.rounds.get(store.policies.propose(better, "config", 0))
    for gate in ("breadth", "depth"):
        store.gates.save(again, result(gate, GateVerdict.HOLDS, stock.id))
    assert store.promotions.decide(again, yes, ["breadth", "depth"]).promoted
    assert store.policies.champion() == better


def test_twins_opened_after_a_promotion_by_hand_lie_with_the_gates_that_judged_it(store, rivals):
    stock, better, rnd = rivals
    store.promotions.decide(rnd, Promotion(candidate=better.id, promoted=False, reason="no better"))
    ended(store, rnd)
    store.promotions.promote(better.id, "it is shorter")
    owed = store.openings.owed([f"depth{TWIN}"])
    assert owed.round == rnd.id
    opened(store, store.rounds.get(owed.round), better, stock)
    assert store.gates.judged(better.id[:12]).id == rnd.id
    assert [each.gate for each in store.gates.results(rnd)] == ["breadth", "depth", "depth-sealed"]
    assert [each.decides for each in store.gates.results(rnd)] == [True, True, False]
    assert store.promotions.last(better.id) == Promotion(candidate=better.id, promoted=True, reason="it is shorter")


def test_a_candidate_that_waits_is_not_queued_twice(store, rivals):
    _, better, rnd = rivals
    store.gates.pause("all")
    store.promotions.decide(rnd, Promotion(candidate=better.id, promoted=True, reason="held"))
    ended(store, rnd)
    assert [each.id for each in store.promotions.queued()] == [rnd.id]
    assert store.policies.propose(better, "config", 0) == rnd.id


def test_the_champion_is_not_rolled_back_to_itself(store, rivals):
    stock, _, _ = rivals
    with pytest.raises(CheckNegative, match="is champion already"):
        store.promotions.roll_back(stock.id, "a slip")


def test_a_judgement_of_an_older_version_names_whom_it_judged(store, rivals):
    _, better, rnd = rivals
    assert {each.candidate for each in store.gates.results(rnd)} == {better.id}


def test_one_forgiving_rule_can_be_switched_off(rehearsal):
    asked = suite("rehearsal-depth").model_copy(update={"checkers": WRITTEN})
    assert _without(asked, ["nested"]).checkers == (Part(use="ast_match", settings={"nested": False}),)
    run = ("suite", "run", "rehearsal-depth", "--player", "scripted", "--without-rule", "nested")
    assert "has no forgiving rule 'nested'" in rehearsal.loopd(*run, code=1)


def test_a_teacher_with_other_settings_is_played_and_counted_anew(rehearsal, monkeypatch):
    assert played(rehearsal, "scripted")["passed"] == 10
    logging.getLogger().handlers[-1].close()
    monkeypatch.setenv("LOOPD_TEACHERS", '[{ use = "scripted", settings = { mistake = 1.0 } }]')
    played(rehearsal, "scripted")
    query = "select player, samples from v_suites where suite = 'rehearsal-depth' and player is not null"
    assert rehearsal.json("sql", query)["rows"] == [{"player": "scripted", "samples": 10}] * 2


def test_a_play_that_a_suites_own_checkers_accept_is_accepted_wherever_one_looks(rehearsal):
    rehearsal.loopd("suite", "run", "bfcl-irrelevance", "--player", "idle", "--limit", "3")
    query = "select accepted, count(*) as plays from v_trajectories group by accepted"
    assert rehearsal.json("sql", query)["rows"] == [{"accepted": 1, "plays": 3}]


def rows_of(rehearsal, *words):
    said = rehearsal.loopd(*words, "--json")
    return {row["what"]: row for row in json.loads(said[said.index("{") :])["rows"]}


def test_a_suite_of_many_renderings_says_how_much_the_rendering_decides(rehearsal):
    """The idle player is wrong under every rendering, the scripted one right: no difference either way."""
    run = ("suite", "run", "bfcl-format-sensitivity", "--limit", "28")
    for player, rate in (("scripted", 1.0), ("idle", 0.0)):
        rows = rows_of(rehearsal, *run, "--player", player)
        assert rows["bfcl-format-sensitivity"]["of"] == 28
        assert rows["json-plain-xml"] == {"what": "json-plain-xml", "passed": rate, "of": 1, "rate": rate}
        assert rows["largest difference of renderings"]["rate"] == 0.0
        assert rows["standard deviation of renderings"]["of"] == 26


def test_a_suite_of_questions_says_how_many_were_answered_right(rehearsal):
    run = ("suite", "run", "bfcl-memory-rec-sum", "--limit", "2")
    rows = rows_of(rehearsal, *run, "--player", "scripted")
    assert rows["questions answered right"] == {"what": "questions answered right", "passed": 55, "of": 55, "rate": 1.0}
    assert rows["bfcl-memory-rec-sum"]["passed"] == 2
