"""The account: its balance, which a result tells, and money paid in."""

from random import Random
from typing import Final

from task_generators.families.trading.story import TradeStory, opening
from task_generators.writing import words
from task_generators.writing.story import Family, Move, call, result


def _opening(rng: Random) -> TradeStory:
    """The usual account; its balance tells one task from another."""
    story = opening(rng)
    story.key = story.balance
    return story


def _show(story: TradeStory) -> None:
    phrases = (
        "What is my account balance?",
        "Show me my account.",
        "How much money is in my account?",
        "Get my account information.",
    )
    story.seen = story.turn(story.phrase(phrases), call("get_account_info"))


def _pay_in(story: TradeStory) -> None:
    amount = words.price(story.rng, 20, 9000)
    phrases = (
        "Deposit {amount} dollars into my account.",
        "Add {amount} dollars to my account.",
        "Fund my account with {amount} dollars.",
        "Please pay {amount} into my account.",
    )
    story.turn(story.phrase(phrases, amount=amount), call("fund_account", amount=amount))
    story.seen = None


def _double(story: TradeStory) -> None:
    phrases = (
        "Look up my balance and deposit the same amount again.",
        "Check my account and fund it with as much as its balance.",
        "See what my balance is and pay in exactly that much.",
        "Get my balance, then double it with a deposit of the same amount.",
    )
    paying = call("fund_account", amount=result(story.steps, "balance"))
    story.turn(story.phrase(phrases), call("get_account_info"), paying)
    story.seen = None


def _match(story: TradeStory) -> None:
    assert story.seen is not None
    phrases = (
        "Deposit that same amount again.",
        "Now pay in exactly as much as that balance.",
        "Fund my account with the same amount as the balance.",
        "Double it: deposit that amount once more.",
    )
    story.turn(story.phrase(phrases), call("fund_account", amount=result(story.seen, "balance")))
    story.seen = None


def _is_hidden(story: TradeStory) -> bool:
    return story.seen is None


ACCOUNT: Final = Family(
    "account",
    _opening,
    (
        Move(_show, 1, _is_hidden, weight=2),
        Move(_pay_in, 1),
        Move(_match, 1, lambda story: story.seen is not None, weight=3),
        Move(_double, 2, _is_hidden, weight=2),
    ),
)
