"""A win that was luck with one world does not hold in a second one; a win that was none does."""

from random import Random

import pytest
from notation import act, read_task

from checkers.evidence.plans import plan_of
from checkers.evidence.second_world import Renamed, try_again
from checkers.outcome import Outcome
from loop import plugins
from loop.types import Part
from task_generators.backends.mutants import gold_script, played

GENERATORS = ("files", "trading", "travel", "tickets", "messages", "twitter", "vehicle", "maths", "sql", "pairs")

MARKET = {
    "TradingBot": {
        "authenticated": True,
        "market_status": "Open",
        "order_counter": 50_210,
        "account_info": {"account_id": 77_120, "balance": 10_250.5, "binding_card": 4_000_123_412_341_234},
        "watch_list": [],
        "orders": {},
        "stocks": {
            symbol: {"price": price, "percent_change": 0.1, "volume": 1.2, "MA(5)": price, "MA(20)": price}
            for symbol, price in (("AAPL", 227.16), ("MSFT", 310.23), ("NVDA", 227.16))
        },
    }
}


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_plans_own_play_holds_in_a_second_world_that_is_another(generator):
    made, others = plugins.load("task_generators", Part(use=generator)), 0
    for number, arm in enumerate(made.arms[::5]):
        task = made.make(arm, 40 + number)
        assert try_again(task, played(task, gold_script(task)), 1).passed, arm
        renamed = Renamed.of(task, Random(f"{task.id}/1/0"))
        others += plan_of(renamed.task).results != plan_of(task).results
    assert others


BUY = """
> Look up NVDA and buy 3 shares at its price.
get_stock_info(symbol='NVDA')
place_order(order_type='Buy', symbol='NVDA', price='<0.price>', amount=3)
"""


@pytest.mark.parametrize(
    ("symbol", "holds"),
    [("NVDA", True), ("AAPL", False)],
)
def test_a_price_that_was_read_elsewhere_is_found_out_where_the_two_differ(symbol, holds):
    task = read_task("buy", BUY, MARKET)
    play = act(
        task,
        f"get_stock_info(symbol='{symbol}')\nplace_order(order_type='Buy', symbol='NVDA', price=227.16, amount=3)\n=",
    )
    assert Outcome().check(task, play).passed
    assert try_again(task, play, 1).passed is holds


def test_a_number_that_was_said_stays_what_it_is():
    turns = """
> I have 227.16 dollars. Look up NVDA and buy one share at its price.
get_stock_info(symbol='NVDA')
place_order(order_type='Buy', symbol='NVDA', price='<0.price>', amount=1)
"""
    task = read_task("buy", turns, MARKET)
    play = act(
        task, "get_stock_info(symbol='NVDA')\nplace_order(order_type='Buy', symbol='NVDA', price=227.16, amount=1)\n="
    )
    assert try_again(task, play, 1).passed


def test_a_calculation_with_half_of_the_numbers_does_not_hold():
    turns = "> What is the largest of 12, 45.5, 8 and 33?\nmax_value(numbers=[12, 45.5, 8, 33])\n? '<0.result>'"
    task = read_task("max", turns, {"MathAPI": {}})
    right = act(task, "max_value(numbers=[8, 33, 45.5, 12])\n= 45.5")
    wrong = act(task, "max_value(numbers=[45.5])\n= 45.5")
    assert Outcome().check(task, wrong).passed
    assert try_again(task, right, 1).passed
    assert [try_again(task, wrong, seed).passed for seed in range(12)].count(False) >= 1
