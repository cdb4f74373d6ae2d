"""Stop, format and economy: how a play was played."""

import pytest

from checkers.economy import Economy
from checkers.format import Format
from checkers.stop import Stop
from loop.types import SEED_RULE, End, Message, Rule


def test_a_right_play_stops_is_native_and_wastes_nothing(task, plays):
    trajectory = plays.make(task, plays.right())
    for checker in (Stop(), Format(), Economy()):
        verdict = checker.check(task, trajectory)
        assert (verdict.passed, verdict.score) == (True, 1.0)


def test_an_over_run_is_told_from_a_premature_stop(task, plays):
    script = plays.right()
    script[0] = [[("get_watchlist", {})]] * 20
    over = plays.make(task, script[:1], closed=False, end=End.CAP)
    assert Stop().check(task, over).evidence == {"steps": [20], "kind": "over-run", "turn": 1}
    script[0] = plays.right()[0][:1]
    early = Stop().check(task, plays.make(task, script))
    assert (early.passed, early.evidence["kind"]) == (False, "premature")
    assert "place_order" in early.reason


def test_the_cap_is_the_plays_own_unless_another_is_given(task, plays):
    script = plays.right()
    script[0] += [[("get_watchlist", {})]] * 12
    trajectory = plays.make(task, script)
    assert Stop().check(task, trajectory).passed
    assert Stop(rule=SEED_RULE).check(task, trajectory).evidence["kind"] == "over-run"
    assert not Stop().check(task, plays.make(task, script, rule=Rule(steps_per_turn=13))).passed


def test_a_turn_that_does_not_close_and_a_turn_that_never_came(task, plays):
    open_end = plays.make(task, plays.right()[:2], closed=False)
    assert Stop().check(task, open_end).evidence["kind"] == "unclosed"
    assert Stop().check(task, plays.make(task, plays.right()[:2])).evidence == {
        "steps": [3, 2],
        "kind": "unplayed",
        "turn": 3,
    }


def test_leniencies_are_counted_and_fail_only_where_told(task, plays):
    trajectory = plays.make(task, plays.right())
    said = trajectory.messages[1].model_copy(update={"leniencies": ("bare-json", "nested-arguments")})
    lenient = trajectory.model_copy(update={"messages": (trajectory.messages[0], said, *trajectory.messages[2:])})
    verdict = Format().check(task, lenient)
    assert (verdict.passed, verdict.evidence["leniencies"]) == (True, {"bare-json": 1, "nested-arguments": 1})
    assert verdict.score < 1
    assert not Format(native_only=True).check(task, lenient).passed


def test_a_fault_and_a_tool_that_was_not_offered_fail(task, plays):
    trajectory = plays.make(task, plays.right())
    broken = Message(role="assistant", content="<tool_call>{", fault="the call is no JSON")
    verdict = Format().check(task, trajectory.model_copy(update={"messages": (*trajectory.messages, broken)}))
    assert (verdict.passed, verdict.reason) == (False, "turn 3: the call is no JSON")
    script = plays.right()
    script[0].insert(0, [("get_account_info", {})])
    assert Format().check(task, plays.make(task, script)).reason == "turn 1: get_account_info was not on offer"
    later = task.model_copy(
        update={"turns": (task.turns[0].model_copy(update={"adds": ("get_account_info",)}), *task.turns[1:])}
    )
    assert Format().check(later, plays.make(later, script)).passed


@pytest.mark.parametrize(
    ("steps", "passed"),
    [
        ([("get_watchlist", {}), ("get_watchlist", {})], False),
        ([("get_watchlist", {}), ("get_stock_info", {"symbol": "MSFT"}), ("get_watchlist", {})], False),
        ([("get_watchlist", {}), ("add_to_watchlist", {"stock": "MSFT"}), ("get_watchlist", {})], True),
        ([("get_stock_info", {"symbol": "none"})] * 2, True),
        ([("get_stock_info", {"symbol": "MSFT"}), ("get_stock_info", {"symbol": "GOOG"})], True),
    ],
)
def test_a_call_is_made_again_only_when_something_changed(task, plays, steps, passed):
    script = plays.right()
    script[0] += [[step] for step in steps]
    verdict = Economy().check(task, plays.make(task, script))
    assert verdict.passed is passed
    assert bool(verdict.evidence["repeats"]) is not passed


def test_a_plan_that_repeats_a_call_allows_it(task, plays):
    twice = task.turns[0].model_copy(update={"plan": (task.turns[0].plan[0], *task.turns[0].plan)})
    allowing = task.model_copy(update={"turns": (twice,)})
    script = [[[("get_stock_info", {"symbol": "AAPL"})], [("get_stock_info", {"symbol": "AAPL"})]]]
    assert not Economy().check(task, plays.make(task, script)).passed
    plan = twice.plan[:2]
    allowing = task.model_copy(update={"turns": (twice.model_copy(update={"plan": plan}),)})
    assert Economy().check(allowing, plays.make(allowing, script)).passed
