"""The outcome checker asks what was brought about, not how."""

import pytest

from checkers.outcome import Outcome
from loop.types import Call, From, Message, PlannedCall, Turn
from task_generators.backends.bfcl import entries, entry_task
from task_generators.backends.mutants import played


def test_the_plans_own_play_passes(task, plays):
    verdict = Outcome().check(task, plays.make(task, plays.right()))
    assert (verdict.passed, verdict.score, verdict.checker, verdict.version) == (True, 1.0, "outcome", 2)


def test_a_harmless_look_and_calls_side_by_side_pass(task, plays):
    script = plays.right()
    script[0].insert(0, [("get_watchlist", {}), ("get_watchlist", {})])
    assert Outcome().check(task, plays.make(task, script)).passed


def test_an_error_that_the_player_recovers_from_passes(task, plays):
    script = plays.right()
    script[0].insert(0, [("get_stock_info", {"symbol": "APPLE"})])
    assert Outcome().check(task, plays.make(task, script)).passed


@pytest.mark.parametrize("extra", [("add_to_watchlist", {"stock": "MSFT"}), ("get_watchlist", {})])
def test_any_call_fails_a_turn_that_wants_none(task, plays, extra):
    script = plays.right()
    script[2] = [[extra]]
    verdict = Outcome().check(task, plays.make(task, script))
    assert not verdict.passed
    assert verdict.evidence == {"turn": 3, "kind": "called"}
    assert Outcome(abstain=False).check(task, plays.make(task, script)).passed


@pytest.mark.parametrize(
    ("change", "kind", "turn"),
    [
        (lambda s: s[0].pop(0), "answer", 1),
        (lambda s: s[0].pop(1), "state", 1),
        (lambda s: s.__setitem__(0, []), "no call", 1),
        (lambda s: s.__setitem__(1, []), "no call", 2),
        (lambda s: s[0][1][0][1].update(amount=11), "state", 1),
        (lambda s: s[0][1][0][1].update(price=1.0), "state", 1),
        (lambda s: s[0].append([("add_to_watchlist", {"stock": "MSFT"})]), "state", 1),
        (lambda s: s[1][0].__setitem__(0, ("cancel_order", {"order_id": 1})), "state", 2),
        (lambda s: s.pop(), "unplayed", 3),
        (lambda s: s.__delitem__(slice(1, 3)), "unplayed", 2),
    ],
)
def test_what_is_wrong_is_named_with_its_turn(task, plays, change, kind, turn):
    script = plays.right()
    change(script)
    verdict = Outcome().check(task, plays.make(task, script))
    assert (verdict.passed, verdict.evidence) == (False, {"kind": kind, "turn": turn})
    assert verdict.reason.startswith(f"turn {turn}: ")
    assert verdict.score == pytest.approx((turn - 1) / 3)


def test_a_trajectory_whose_results_do_not_replay_fails(task, plays):
    trajectory = plays.make(task, plays.right())
    for place, message in enumerate(trajectory.messages):
        if message.role == "tool":
            forged = message.model_copy(update={"content": message.content.replace("1", "7")})
            messages = (*trajectory.messages[:place], forged, *trajectory.messages[place + 1 :])
            verdict = Outcome().check(task, trajectory.model_copy(update={"messages": messages}))
            assert (verdict.passed, verdict.evidence["kind"]) == (False, "replay")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: (*m, m[0]),
        lambda m: (m[0].model_copy(update={"content": "Do nothing."}), *m[1:]),
        lambda m: tuple(one for one in m if one.role != "tool"),
        lambda m: (*m[:2], m[2], m[2], *m[3:]),
        lambda m: (m[0], Message(role="tool", content="{}"), *m[1:]),
    ],
)
def test_what_is_no_play_of_the_task_fails(task, plays, change):
    trajectory = plays.make(task, plays.right())
    verdict = Outcome().check(task, trajectory.model_copy(update={"messages": change(trajectory.messages)}))
    assert (verdict.passed, verdict.evidence["kind"]) == (False, "shape")


def test_numbers_are_compared_by_value_unless_told_otherwise(task, plays):
    script = plays.right()
    script[0][1][0][1]["amount"] = 10.0
    trajectory = plays.make(task, script)
    assert Outcome().check(task, trajectory).passed
    assert not Outcome(exact_numbers=True).check(task, trajectory).passed


def test_a_player_that_does_nothing_fails_every_task_with_a_plan():
    tasks = [entry_task(entry, gold) for entry, gold in entries("miss_param")]
    passed = [Outcome().check(task, played(task, ((),) * len(task.turns))).passed for task in tasks]
    assert not any(passed)


def test_a_plan_that_cannot_run_is_the_tasks_fault(task, plays):
    bad = PlannedCall(name="cancel_order", arguments={"order_id": From(step=9)})
    broken = task.model_copy(update={"turns": (Turn(user="x", plan=(bad,)),)})
    verdict = Outcome().check(broken, plays.make(broken, [[]]))
    assert (verdict.passed, verdict.evidence["kind"]) == (False, "task")
    assert "step 0" in verdict.reason


def test_one_checker_judges_plays_of_many_tasks_in_any_order(task, plays):
    checker, other = Outcome(), task.model_copy(update={"turns": task.turns[:1]})
    other.__dict__.pop("id", None)
    pairs = [(task, plays.make(task, plays.right())), (other, plays.make(other, plays.right()[:1]))] * 3
    assert all(checker.check(one, trajectory).passed for one, trajectory in pairs)
    assert not checker.check(other, pairs[0][1]).passed


def test_a_call_may_stand_in_an_earlier_turn_as_for_bfcl(task, plays):
    script = plays.right()
    early = Call(name="get_stock_info", arguments={"symbol": "MSFT"})
    turn = Turn(user="And MSFT?", plan=(PlannedCall(name=early.name, arguments=dict(early.arguments)),))
    longer = task.model_copy(update={"turns": (task.turns[0], turn)})
    longer.__dict__.pop("id", None)
    script = [[*script[0], [(early.name, dict(early.arguments))]], [[("get_watchlist", {})]]]
    assert Outcome().check(longer, plays.make(longer, script)).passed
