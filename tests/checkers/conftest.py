"""A small task whose plan needs what a tool answers, and plays of it."""

import sys
from pathlib import Path

import pytest

from loop.canonical import canonical
from loop.types import Call, End, From, Message, PlannedCall, Task, Tier, Trajectory, Turn
from task_generators.backends.worlds import open_world

sys.path.append(str(Path(__file__).parent))  # for `notation`

TRADING = {
    "authenticated": True,
    "market_status": "Open",
    "account_info": {"account_id": 1, "balance": 10_000.0, "binding_card": 1},
}


@pytest.fixture
def task():
    """Turn 1: look a price up and order at it. Turn 2: cancel that order. Turn 3: nothing can be done."""
    price = From(step=0, path=("price",))
    order = From(step=1, path=("order_id",))
    buy = {"order_type": "Buy", "symbol": "AAPL", "price": price, "amount": 10}
    look = PlannedCall(name="get_stock_info", arguments={"symbol": "AAPL"})
    cancel = PlannedCall(name="cancel_order", arguments={"order_id": order})
    return Task(
        generator="test",
        family="order",
        tier=Tier.MODERATE,
        seed=0,
        backends=("TradingBot",),
        initial={"TradingBot": TRADING},
        tools=("get_stock_info", "place_order", "cancel_order", "get_watchlist", "add_to_watchlist"),
        turns=(
            Turn(
                user="Look up AAPL and buy 10 shares at its present price.",
                plan=(look, PlannedCall(name="place_order", arguments=buy)),
            ),
            Turn(user="I changed my mind: cancel it.", plan=(cancel,)),
            Turn(user="Now book me a flight."),
        ),
        leak_group="test",
    )


class Plays:
    """Makes plays of a task: per turn, a list of steps; a step is a list of (tool, arguments)."""

    PRICE = 227.16
    ORDER = 12446

    def right(self):
        buy = {"order_type": "Buy", "symbol": "AAPL", "price": self.PRICE, "amount": 10}
        return [
            [[("get_stock_info", {"symbol": "AAPL"})], [("place_order", buy)]],
            [[("cancel_order", {"order_id": self.ORDER})]],
            [],
        ]

    def make(self, task, script, *, closed=True, end=End.CLOSED, **changes):
        world, messages = open_world(task.backends, task.initial), []
        for turn, steps in zip(task.turns, script, strict=False):
            messages.append(Message(role="user", content=turn.user, adds=turn.adds))
            for step in steps:
                calls = [Call(name=name, arguments=arguments) for name, arguments in step]
                messages.append(Message(role="assistant", content="", calls=calls))
                messages += [self.answer(world, call) for call in calls]
            messages.append(Message(role="assistant", content="Done."))
        if not closed:
            messages.pop()
        return Trajectory(task=task.id, player="test", messages=tuple(messages), end=end, **changes)

    @staticmethod
    def answer(world, call):
        result = world.call(call)
        return Message(role="tool", name=call.name, content=canonical(result.value), ok=result.ok)


@pytest.fixture
def plays():
    return Plays()
