"""Where every value came from."""

import json
import time

import pytest

from checkers.dataflow import Dataflow
from checkers.evidence.words import SaidText, contains
from loop.types import Call, From, PlannedCall, Turn
from task_generators.backends.bfcl import entries, entry_task
from task_generators.backends.mutants import gold_script, played


def traced(task, trajectory):
    """The source of every argument: by tool and argument."""
    rows = Dataflow().check(task, trajectory).evidence["arguments"]
    return {(row["tool"], row["argument"]): row["source"] for row in rows}


def test_call_read_use_is_grounded(task, plays):
    trajectory = plays.make(task, plays.right())
    assert traced(task, trajectory) == {
        ("get_stock_info", "symbol"): "user",
        ("place_order", "order_type"): "user",
        ("place_order", "symbol"): "user",
        ("place_order", "price"): "result",
        ("place_order", "amount"): "user",
        ("cancel_order", "order_id"): "result",
    }
    assert Dataflow().check(task, trajectory).passed


def test_a_cloned_answer_is_blind_even_if_the_outcome_is_right(task, plays):
    script = plays.right()
    script[0].reverse()
    verdict = Dataflow().check(task, plays.make(task, script))
    assert not verdict.passed
    assert verdict.reason == "turn 1: place_order(price='227.16') was used before the result that supplies it"
    assert verdict.evidence["counts"]["blind"] == 1


def test_calls_of_one_message_do_not_see_each_other(task, plays):
    script = plays.right()
    script[0] = [[call for step in script[0] for call in step]]
    assert traced(task, plays.make(task, script))["place_order", "price"] == "blind"


def test_an_invented_value_comes_from_nowhere(task, plays):
    script = plays.right()
    script[1][0][0][1]["order_id"] = 55_555
    verdict = Dataflow().check(task, plays.make(task, script))
    assert (verdict.passed, verdict.evidence["counts"]["nowhere"]) == (False, 1)
    assert Dataflow(strict=False).check(task, plays.make(task, script)).passed
    assert 0 < verdict.score < 1


def test_the_worlds_own_knowledge_is_blind_until_it_was_seen(task, plays):
    held = {
        "orders": {
            "77001": {"id": 77_001, "order_type": "Buy", "symbol": "AAPL", "price": 1.0, "amount": 1, "status": "Open"}
        }
    }
    initial = {"TradingBot": {**task.initial["TradingBot"], **held}}
    cancel = PlannedCall(name="cancel_order", arguments={"order_id": 77_001})
    turn = Turn(user="Cancel my only order.", plan=(cancel,))
    knowing = task.model_copy(
        update={"initial": initial, "turns": (turn,), "tools": ("cancel_order", "get_order_history")}
    )
    blind = [[[("cancel_order", {"order_id": 77_001})]]]
    assert traced(knowing, plays.make(knowing, blind))["cancel_order", "order_id"] == "blind"
    seeing = [[[("get_order_history", {})], *blind[0]]]
    assert traced(knowing, plays.make(knowing, seeing))["cancel_order", "order_id"] == "result"


def test_a_derivation_of_the_plan_is_a_rule_once_its_result_was_seen(task, plays):
    double = From(step=0, path=("price",), rule="times", operand=2)
    plan = (
        PlannedCall(name="get_stock_info", arguments={"symbol": "AAPL"}),
        PlannedCall(
            name="place_order", arguments={"order_type": "Buy", "symbol": "AAPL", "price": double, "amount": 10}
        ),
    )
    deriving = task.model_copy(update={"turns": (Turn(user="Buy 10 AAPL at twice its price.", plan=plan),)})
    script = plays.right()[:1]
    script[0][1][0][1]["price"] = 454.32
    assert traced(deriving, plays.make(deriving, script))["place_order", "price"] == "rule"
    script[0].reverse()
    assert traced(deriving, plays.make(deriving, script))["place_order", "price"] == "blind"


def test_every_argument_has_its_place_in_the_evidence(task, plays):
    rows = Dataflow().check(task, plays.make(task, plays.right())).evidence["arguments"]
    assert rows[-1] == {
        "turn": 2,
        "step": 1,
        "tool": "cancel_order",
        "argument": "order_id",
        "value": 12446,
        "source": "result",
        "by": "place_order",
    }


@pytest.mark.parametrize(
    ("text", "value", "reading"),
    [
        ("Move report.txt to the archive folder", "report.txt", "verbatim"),
        ("the Archive folder", "archive", "verbatim"),
        ("in the final report", "final_report", "spelling"),
        ("withdraw $1,250.50 now", 1250.5, "number"),
        ("withdraw 5k", 5000, "number"),
        ("three tickets", 3, "number"),
        ("the second one", 2, "number"),
        ("twenty five litres", 25, "number"),
        ("two hundred miles", 200, "number"),
        ("a 5% rise", 0.05, "number"),
        ("a 5% rise", 5, "number"),
        ("20 percent of it", 0.2, "number"),
        ("halve it", 2, "number"),
        ("on June 15th, 2026", "2026-06-15", "day"),
        ("on 15 Jun 2026 at 9:30", "2026-06-15T09:30:00", "day"),
        ("priority 4", "4", "verbatim"),
    ],
)
def test_what_a_user_says_is_read_as_a_person_would(text, value, reading):
    assert SaidText(text=text).says(value) == reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the reports", "report"),
        ("10 of 227.16", 227),
        ("order 12446", 1244),
        ("order 12446", "2446"),
        ("on June 15th", "2026-06-15"),
        ("v1.5", 5),
        ("", "x"),
        ("", ""),
        ("one", 2),
    ],
)
def test_what_a_user_does_not_say_is_not_read(text, value):
    assert SaidText(text=text).says(value) is None


def test_a_part_stands_for_itself_only_between_words():
    assert contains("./a/b.txt", "b.txt")
    assert not contains("ab.txt", "b.txt")
    assert contains("xab ab", "ab")


def test_bfcls_own_answers_use_values_that_nobody_supplied():
    """The reason for this checker: a third of BFCL's gold answers cannot be had by looking."""
    tasks = [entry_task(entry, gold) for entry, gold in entries("base")][::5]
    passed = [Dataflow().check(task, played(task, gold_script(task))).passed for task in tasks]
    assert 0.4 < sum(passed) / len(passed) < 0.9


def test_a_guess_that_failed_is_no_source(task, plays):
    script = plays.right()
    script[1] = [[("cancel_order", {"order_id": 99_999})], [("cancel_order", {"order_id": 99_999})], *script[1]]
    rows = Dataflow().check(task, plays.make(task, script)).evidence["arguments"]
    assert [row["source"] for row in rows if row["value"] == 99_999] == ["nowhere", "nowhere"]


def test_a_text_put_together_from_what_was_said_and_seen_is_composed(task, plays):
    ticket = task.model_copy(
        update={
            "backends": ("TicketAPI",),
            "initial": {"TicketAPI": {"current_user": "ann"}},
            "tools": ("create_ticket",),
            "turns": (
                Turn(
                    user="Open a ticket: the printer on floor 3 is broken.", plan=(PlannedCall(name="create_ticket"),)
                ),
            ),
        }
    )
    good = [[[("create_ticket", {"title": "Printer broken", "description": "The printer on floor 3 is broken today"})]]]
    assert traced(ticket, plays.make(ticket, good))["create_ticket", "description"] == "rule"
    bad = [[[("create_ticket", {"title": "printer", "description": "Please refund invoice 88123 by Friday morning"})]]]
    assert traced(ticket, plays.make(ticket, bad))["create_ticket", "description"] == "nowhere"


def test_arguments_of_unknown_tools_are_traced_too(task, plays):
    script = plays.right()
    script[0].insert(0, [("no_such_tool", {"x": {"y": ["AAPL", True, None]}})])
    sources = traced(task, plays.make(task, script))
    assert sources["no_such_tool", "x.y[0]"] == "user"
    assert sources["no_such_tool", "x.y[1]"] == "schema"
    assert Call(name="x").arguments == {}


def test_the_work_grows_with_the_play_and_no_faster(task, plays):
    """Sorting all known numbers for every number of a call once took 1.9 s for 1,600 of them."""

    def spent(count):
        numbers = [1000.5 + 7 * number for number in range(count)]
        step = [("filter_stocks_by_price", {"stocks": numbers, "min_price": 1, "max_price": 2})]
        trajectory = plays.make(task, [[step], [step], []])
        tool = trajectory.messages[2]
        seen = tool.model_copy(update={"content": str([3.25 + 11 * number for number in range(count)]), "ok": True})
        messages = (*trajectory.messages[:2], seen, *trajectory.messages[3:])
        began = time.process_time()
        Dataflow().check(task, trajectory.model_copy(update={"messages": messages}))
        return time.process_time() - began

    assert spent(1_600) < 2
    assert spent(8_000) < 12 * spent(1_600) + 1


def test_texts_are_looked_up_not_searched(task, plays):
    def spent(count):
        words = [f"word{number} and some more" for number in range(count)]
        trajectory = plays.make(task, [[[("no_such_tool", {"a": "x"})], [("no_such_tool", {"b": words})]]])
        seen = trajectory.messages[2].model_copy(update={"content": json.dumps([f"a {word}!" for word in words])})
        messages = (*trajectory.messages[:2], seen, *trajectory.messages[3:])
        began = time.process_time()
        verdict = Dataflow().check(task, trajectory.model_copy(update={"messages": messages}))
        assert verdict.evidence["counts"]["result"] == count
        return time.process_time() - began

    assert spent(1_500) < 8 * spent(400) + 1


def test_a_play_with_more_values_than_anybody_says_fails(task, plays):
    step = [("no_such_tool", {"x": list(range(3_000))})]
    verdict = Dataflow().check(task, plays.make(task, [[step]]))
    assert not verdict.passed
    assert "more than 2000 values" in verdict.reason


def test_a_number_is_not_reckoned_from_so_many_that_anything_can_be(task, plays):
    """Two of a hundred numbers add up to nearly any other of four digits."""
    many = json.dumps([37 * number + number**2 for number in range(100)])
    trajectory = plays.make(task, [[[("get_watchlist", {})], [("cancel_order", {"order_id": 4_183})]]])
    seen = trajectory.messages[2].model_copy(update={"content": many})
    messages = (*trajectory.messages[:2], seen, *trajectory.messages[3:])
    few = seen.model_copy(update={"content": "[4000, 183]"})
    assert traced(task, trajectory.model_copy(update={"messages": messages}))["cancel_order", "order_id"] == "nowhere"
    messages = (*trajectory.messages[:2], few, *trajectory.messages[3:])
    assert traced(task, trajectory.model_copy(update={"messages": messages}))["cancel_order", "order_id"] == "rule"
