"""What a person learns of a judgement from the command line, and how promotions are paused."""

from collections import Counter

import pytest

from loop.gates.breadth import Breadth
from loop.gates.decision import standing
from loop.gates.depth import Depth
from loop.gates.explanation import explain
from loop.types import Score, Standing, Tier
from task_generators.suites import suite


def scores(rates, samples=4):
    return [
        Score(task=f"{name}-{n:03}", backends=(name,), tier=Tier.EASY, sample=k, passed=n < rate * tasks)
        for name, (rate, tasks) in rates.items()
        for n in range(tasks)
        for k in range(samples)
    ]


def test_an_explanation_has_every_backends_figures_verdict_cost_and_why():
    old = scores({"TradingBot": (0.5, 40), "TravelAPI": (0.9, 40)})
    new = scores({"TradingBot": (0.9, 40), "TravelAPI": (0.4, 40)})
    breadth = Breadth(attempt=3).judge(old, new)
    text = explain([breadth], "not promoted: TravelAPI fell")
    assert "TravelAPI fails: champion 90.0%, candidate 40.0%: -50.0 points" in text
    assert "over 40 tasks x 4" in text
    assert "10 points less are allowed; beyond doubt it is worse than that" in text
    assert "TradingBot holds" in text
    assert "attempt 3" in text
    assert f"Plays behind it, both policies together: {2 * 80 * 4}." in text
    assert "Decision: not promoted: TravelAPI fell" in text


def test_error_spent_and_left_add_up_over_looks():
    old, new = scores({"A": (0.5, 30)}, 2), scores({"A": (0.6, 30)}, 2)
    part = Depth(most=8).judge(old, new).parts[0]
    assert part.look == 60
    assert part.spent + part.left == pytest.approx(0.05 * (8 + 64 + 512) / 585)


def test_one_whose_depth_holds_and_whose_breadth_fails_is_a_specialist():
    alike, worse = scores({"A": (0.5, 40)}, 32), scores({"A": (0.1, 40)}, 32)
    holds, fails = Depth().judge(alike, alike), Breadth().judge(alike, worse)
    assert standing([holds, fails], promoted=False) is Standing.SPECIALIST
    assert standing([Depth().judge(alike, worse), fails], promoted=False) is Standing.REJECTED


def test_a_judgement_is_shown_and_explained_by_round_and_by_candidate(rehearsal):
    rehearsal.live()
    shown = rehearsal.json("gate", "show")
    assert (shown["round"], {gate["gate"] for gate in shown["gates"]}) == (1, {"depth", "breadth"})
    assert shown["plays"] == sum(gate["plays"] for gate in shown["gates"]) > 0
    candidate = shown["gates"][0]["candidate"]
    assert rehearsal.json("gate", "show", candidate[:10]) == rehearsal.json("gate", "show", "1") == shown
    assert "TradingBot" in rehearsal.loopd("gate", "show")
    text = rehearsal.loopd("gate", "explain", "1")
    assert "Decision: promoted:" in text
    assert "TravelAPI holds: champion" in text
    assert rehearsal.json("gate", "explain")["text"] in text
    assert "loopd gate list" in rehearsal.loopd("gate", "show", "77", code=1)


def test_power_is_given_for_the_gates_in_force(rehearsal):
    found = rehearsal.json("gate", "power", "--runs", "50")
    assert {row["part"] for row in found["comparisons"] if row["gate"] == "breadth"} == {
        "overall",
        "known words",
        "new words",
        "TradingBot",
        "TravelAPI",
    }
    assert {row["worth"]: row["promoted"] for row in found["candidates"]}["equal"] == 0
    assert max(row["plays_90"] for row in found["candidates"]) <= 26, "tasks of both suites"
    changed = rehearsal.json("gate", "power", "--runs", "50", "--churn", "0.01")
    assert changed["candidates"] != found["candidates"]
    assert "+10 everywhere" in rehearsal.loopd("gate", "power", "--runs", "10", "--attempt", "50")


def test_gates_are_paused_and_resumed_by_names_that_exist(rehearsal):
    rehearsal.live()
    assert "'depht'" in rehearsal.loopd("gate", "pause", "depht", code=1)
    assert "Paused: all" in rehearsal.loopd("gate", "pause", "--reason", "a test")
    assert "Paused: all, depth" in rehearsal.loopd("gate", "pause", "depth")
    rehearsal.live()
    assert "Still paused: all. Rounds whose candidates wait: 2" in rehearsal.loopd("gate", "resume", "depth")
    assert "none yet: the candidate waits" in rehearsal.loopd("gate", "explain", "2")
    assert "Still paused: none" in rehearsal.loopd("gate", "resume")


def test_power_counts_the_categories_that_a_retention_gate_judges(rehearsal):
    own = 'gating.gates = [{ use = "retention", settings = { suite = "abstention" } }]\n'
    (rehearsal.home / "loopd.toml").write_text('profile = "quickstart"\n' + own)
    rows = rehearsal.json("gate", "power", "--runs", "10")["comparisons"]
    tasks = suite("abstention").tasks
    families, words = (Counter(map(str, each)) for each in zip(*((t.family, t.novelty) for t in tasks), strict=True))
    assert {row["part"]: row["tasks"] for row in rows} == {"overall": len(tasks), **families, **words}
