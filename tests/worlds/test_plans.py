"""Plans: how values are had from results."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.plan import RULES, PlanError, resolve, run
from loop.types import Call, From, PlannedCall, Result, Task, Tier, Turn
from task_generators.backends.bfcl import BadEntry, entries, entry_task
from task_generators.backends.worlds import open_world

CARS = [{"name": "a", "price": 30}, {"name": "b", "price": 10.5}, {"name": "c", "price": "20"}]


@pytest.mark.parametrize(
    ("rule", "value", "operand", "expected"),
    [
        ("same", {"a": 1}, None, {"a": 1}),
        ("first", [3, 1], None, 3),
        ("last", [3, 1], None, 1),
        ("at", [3, 1], 1, 1),
        ("count", [3, 1], None, 2),
        ("count", {"a": 1}, None, 1),
        ("keys", {"a": 1, "b": 2}, None, ["a", "b"]),
        ("cheapest", {"x": 3, "y": 2.5}, None, "y"),
        ("dearest", {"x": 3, "y": 2.5}, None, "x"),
        ("cheapest", CARS, "price", 1),
        ("least", CARS, "price", CARS[1]),
        ("most", CARS, "price", CARS[0]),
        ("where", CARS, {"name": "c"}, CARS[2]),
        ("containing", ["./a/x.txt", "./b/y.txt"], "y", "./b/y.txt"),
        ("match", "order 12446 placed", r"order (\d+)", "12446"),
        ("text", 5, "Total: {}", "Total: 5"),
        ("text", 5, None, "5"),
        ("name", "./a/b/c.txt", None, "c.txt"),
        ("integer", "12.9", None, 12),
        ("number", "1,200.50", None, 1200.5),
        ("round", 2.345, 1, 2.3),
        ("floor", 2.9, None, 2),
        ("plus", 0.1, 0.2, 0.3),
        ("minus", 10, 2.5, 7.5),
        ("times", 227.16, 100, 22716),
        ("over", 10, 4, 2.5),
        ("per", 227.16, 1000, 4),
        ("percent", 200, 15, 30),
        ("sum", [1, 2.5], None, 3.5),
        ("wrap", "a", None, ["a"]),
        ("lower", "AbC", None, "abc"),
        ("upper", "AbC", None, "ABC"),
        ("title", "ab cd", None, "Ab Cd"),
    ],
)
def test_every_rule_derives_what_it_says(rule, value, operand, expected):
    assert RULES[rule](value, operand) == expected


VALUES = st.recursive(st.none() | st.integers() | st.text(), st.lists)


@given(st.sampled_from(sorted(RULES)), VALUES, st.none() | st.integers())
def test_a_rule_that_does_not_fit_is_a_plan_error_and_nothing_else(rule, value, operand):
    planned = PlannedCall(name="f", arguments={"x": From(step=0, rule=rule, operand=operand)})
    with suppress(PlanError):
        resolve(planned, [Result(ok=True, value=value)])


def test_a_reference_follows_its_path():
    planned = PlannedCall(name="f", arguments={"x": From(step=0, path=("a", 1)), "y": 2})
    result = Result(ok=True, value={"a": [1, {"b": 3}]})
    assert resolve(planned, [result]) == Call(name="f", arguments={"x": {"b": 3}, "y": 2})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (From(step=1), "has not been played"),
        (From(step=0, path=("b",)), "'b'"),
        (From(step=0, path=("a", 5)), "IndexError"),
        (From(step=0, path=("a", 0, "c")), "expected a list"),
        (From(step=0, rule="cheepest"), "Did you mean 'cheapest'"),
    ],
)
def test_a_reference_to_nothing_names_tool_step_path_and_rule(source, words):
    with pytest.raises(PlanError, match=words) as error:
        resolve(PlannedCall(name="f", arguments={"x": source}), [Result(ok=True, value={"a": [1]})])
    assert "f(x) from step" in str(error.value)


def test_a_reference_to_an_error_is_refused():
    with pytest.raises(PlanError, match="answered an error"):
        resolve(PlannedCall(name="f", arguments={"x": From(step=0)}), [Result(ok=False, value={"error": "no"})])


def order(*planned):
    return Task(
        generator="test",
        family="order",
        tier=Tier.EASY,
        seed=0,
        backends=("TradingBot",),
        initial={"TradingBot": {"authenticated": True, "market_status": "Open", "account_info": {"balance": 1e4}}},
        tools=("get_stock_info", "withdraw_funds"),
        turns=(Turn(user="Buy.", plan=planned),),
        leak_group="test",
    )


def test_a_plan_runs_turn_by_turn_with_what_the_tools_answered():
    price = From(step=0, path=("price",), rule="times", operand=2)
    task = order(
        PlannedCall(name="get_stock_info", arguments={"symbol": "AAPL"}),
        PlannedCall(name="withdraw_funds", arguments={"amount": price}),
    )
    [(calls, results)] = run(task, open_world(task.backends, task.initial))
    assert calls[1].arguments == {"amount": 454.32}
    assert [result.ok for result in results] == [True, True]


def test_a_plan_that_cannot_run_names_its_task_and_step():
    task = order(PlannedCall(name="withdraw_funds", arguments={"amount": From(step=3)}))
    with pytest.raises(
        PlanError, match=rf"task {task.id[:12]} \(test/order\), step 0: withdraw_funds\(amount\) from step 3"
    ):
        run(task, open_world(task.backends, task.initial))


def test_an_entry_becomes_a_task_with_tools_that_appear_late():
    entry, gold = next(item for item in entries("miss_func") if item[0]["id"].endswith("_0"))
    task = entry_task(entry, gold)
    assert task.family == "miss_func"
    assert task.leak_group == "bfcl-0"
    assert task.turns[3].adds == ("sort",)
    assert "sort" not in task.tools
    assert task.turns[2].plan == ()
    assert len(task.plan) == sum(map(len, gold["ground_truth"]))


@pytest.mark.parametrize("call", ["cd(folder=ls())", "cd(", "__import__('os')", "cd('a', 'b')"])
def test_an_entry_whose_gold_is_no_literal_call_is_refused_by_name(call):
    entry, _ = next(entries("base"))
    with pytest.raises(BadEntry, match="multi_turn_base_0: NotACall"):
        entry_task(entry, {"ground_truth": [[call]] + [[]] * (len(entry["question"]) - 1)})


def test_every_gold_call_of_the_data_set_can_be_read():
    calls = [call for name in ("base", "miss_func", "miss_param", "long_context") for entry, gold in entries(name)
             for call in entry_task(entry, gold).plan]  # fmt: skip
    assert len(calls) == 4_625
