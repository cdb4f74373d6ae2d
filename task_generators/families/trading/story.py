"""What the author of a trading task keeps in mind: the market, the account and what results have shown."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from pydantic import JsonValue

from task_generators.writing import words
from task_generators.writing.story import Story

BACKEND: Final = "TradingBot"

COMPANIES: Final = {
    "Apple": "AAPL",
    "Google": "GOOG",
    "Tesla": "TSLA",
    "Microsoft": "MSFT",
    "Nvidia": "NVDA",
    "Zeta Corp": "ZETA",
    "Alpha Tech": "ALPH",
    "Omega Industries": "OMEG",
    "Quasar Ltd.": "QUAS",
    "Neptune Systems": "NEPT",
    "Synex Solutions": "SYNX",
    "Amazon": "AMZN",
    "Gorilla": "GORI",
}
"""The companies that the backend knows by name. Every task's world trades them all."""

SIDES: Final = {"Buy": "buy", "Sell": "sell"}


@dataclass
class TradeStory(Story):
    """What the author knows of the market and the account by now."""

    balance: float = 0.0
    prices: dict[str, float] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    """Symbols that nobody has asked about."""
    companies: list[str] = field(default_factory=list)
    """Companies that nobody has asked about."""
    watched: list[str] = field(default_factory=list)
    """What is left of the first watch list. The user's own additions come after it."""
    seen: int | None = None
    """The step that showed the watch list as it is now."""
    quoted: tuple[int, str] | None = None
    """The step that showed a price, and its symbol, in the last turn."""
    placed: int | None = None
    """The step that placed an open order, in the last turns."""
    compared: dict[str, int] = field(default_factory=dict)
    """The symbols of the last comparison, and the steps that showed their prices."""
    shown: bool = False
    """Whether that order's details have been shown."""


def opening(rng: Random) -> TradeStory:
    """An open market, a logged-in user with money, and six stocks on the watch list."""
    symbols = words.some(rng, words.SYMBOLS, 18)
    companies = words.some(rng, tuple(COMPANIES), len(COMPANIES))
    prices = {symbol: words.price(rng) for symbol in [*symbols[:12], *COMPANIES.values()]}
    watched = symbols[12:]
    first_order = rng.randrange(1000, 90000)
    state: dict[str, JsonValue] = {
        "orders": {},
        "account_info": {
            "account_id": rng.randrange(10000, 99999),
            "balance": (balance := words.price(rng, 60000, 99000)),
            "binding_card": rng.randrange(10**15, 10**16),
        },
        "authenticated": True,
        "market_status": "Open",
        "order_counter": first_order,
        "stocks": {symbol: _stock(rng, price) for symbol, price in prices.items()},
        "watch_list": list(watched),
        "transaction_history": [],
        "random_seed": rng.randrange(10**6),
    }
    initial: dict[str, JsonValue] = {BACKEND: state}
    return TradeStory(
        rng, initial, balance=balance, prices=prices, fresh=symbols[:12], companies=companies, watched=watched
    )


def _stock(rng: Random, price: float) -> JsonValue:
    return {
        "price": price,
        "percent_change": rng.randrange(-90, 90) / 100,
        "volume": rng.randrange(100, 9000) / 1000,
        "MA(5)": price + rng.choice((-0.5, -0.25, 0.25, 0.5)),
        "MA(20)": price + rng.choice((-1.5, -1.25, 1.25, 1.5)),
    }


def amount_of_shares(rng: Random) -> int:
    """Draw a number of shares."""
    return rng.randint(2, 60)


def has_fresh(story: TradeStory) -> bool:
    """Whether there is a symbol that nobody has asked about."""
    return bool(story.fresh)
