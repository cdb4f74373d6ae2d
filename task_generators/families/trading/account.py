"""The account: its balance, which a result tells, and money paid in."""

from typing import Final

from loop.types import Tier
from task_generators.families.trading.story import TradeStory, opening
from task_generators.writing.draws import Draws
from task_generators.writing.story import Family, Move, call, result


def _opening(rng: Draws) -> TradeStory:
    """The usual account; its balance tells one task from another."""
    story = opening(rng)
    story.key = story.balance
    return story


def _show(story: TradeStory) -> None:
    story.seen = story.add("balance", call("get_account_info"), tells={"balance": result(story.steps, "balance")})


def _pay_in(story: TradeStory) -> None:
    amount = story.rng.price(20, 9000)
    balance = result(story.steps, "new_balance")
    story.add("pay_in", call("fund_account", amount=amount), names={"balance": balance}, amount=amount)
    _has_paid(story)


def _double(story: TradeStory) -> None:
    balance = result(story.steps, "balance")
    story.add("double", call("get_account_info"), call("fund_account", amount=balance), names={"balance": balance})
    _has_paid(story)


def _match(story: TradeStory) -> None:
    assert story.seen is not None
    balance = result(story.seen, "balance")
    story.add("match", call("fund_account", amount=balance), names={"balance": balance})
    _has_paid(story)


def _has_paid(story: TradeStory) -> None:
    """Paying in tells the new balance, so that nobody has to look it up."""
    story.seen, story.paid = None, True


def _is_hidden(story: TradeStory) -> bool:
    return story.seen is None and not story.paid


ACCOUNT: Final = Family(
    "account",
    _opening,
    (
        Move(_show, 1, _is_hidden, weight=2),
        Move(_pay_in, 1),
        Move(_match, 1, lambda story: story.seen is not None, weight=3),
        Move(_double, 2, _is_hidden, weight=5),
    ),
    tiers=(Tier.EASY, Tier.MODERATE, Tier.HARD),
)
