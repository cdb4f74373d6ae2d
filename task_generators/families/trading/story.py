"""What the author of a trading task keeps in mind: the market, the account and what results have shown."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws, ValuePool
from task_generators.writing.story import Story, call

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

FIRMS: Final = ValuePool(COMPANIES)
ASKED: Final = 10
"""Companies that one story may ask about."""

SIDES: Final = {"Buy": "buy", "Sell": "sell"}

MOST: Final = 300
"""The greatest price, and the greatest number of shares in an order: they could be mistaken for each other."""


class Order(NamedTuple):
    """An order, as the user asks for it."""

    side: str
    symbol: str
    amount: int
    price: float = 0.0

    @property
    def said(self) -> dict[str, Any]:
        """What fills the blanks of a sentence about it."""
        return {**self._asdict(), "Side": self.side, "side": SIDES[self.side]}

    def place(self, price: float | From | None = None) -> PlannedCall:
        """Plan it, at its own price or at one that a result supplies."""
        at = self.price if price is None else price
        return call("place_order", order_type=self.side, symbol=self.symbol, price=at, amount=self.amount)


@dataclass
class TradeStory(Story):
    """What the author knows of the market and the account by now."""

    words: ClassVar[str] = "trading"

    balance: float = 0.0
    prices: dict[str, float] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    """Symbols that nobody has asked about."""
    companies: list[str] = field(default_factory=list)
    """Companies that nobody has asked about."""
    watched: list[str] = field(default_factory=list)
    """What is left of the first watch list. The user's own additions come after it."""
    seen: int | None = None
    """The step that showed the watch list, or the balance, as it is now."""
    paid: bool = False
    """Whether a result has told the balance as it is now, without being asked."""
    quoted: tuple[int, str] | None = None
    """The step that showed a price, and its symbol, in the last turn."""
    placed: int | None = None
    """The step that placed an open order, in the last turns."""
    order: Order | None = None
    """That order."""
    compared: dict[str, int] = field(default_factory=dict)
    """The symbols of the last comparison, and the steps that showed their prices."""
    shown: bool = False
    """Whether that order's details have been shown."""


def opening(rng: Draws) -> TradeStory:
    """An open market, a logged-in user with money, and six stocks on the watch list."""
    symbols = rng.alike(words.SYMBOLS, 18)
    companies = rng.some(FIRMS, ASKED)
    prices = {symbol: rng.price(high=MOST) for symbol in [*symbols[:12], *COMPANIES.values()]}
    watched = symbols[12:]
    state: dict[str, JsonValue] = {
        "orders": {},
        "account_info": {
            "account_id": rng.randrange(10000, 99999),
            "balance": (balance := rng.price(100_000, 990_000)),
            "binding_card": rng.randrange(10**15, 10**16),
        },
        "authenticated": True,
        "market_status": "Open",
        "order_counter": rng.number(1000, 90000),
        "stocks": {symbol: _stock(rng, price) for symbol, price in prices.items()},
        "watch_list": list(watched),
        "transaction_history": [],
        "random_seed": rng.randrange(10**6),
    }
    initial: dict[str, JsonValue] = {BACKEND: state}
    return TradeStory(
        rng, initial, balance=balance, prices=prices, fresh=symbols[:12], companies=companies, watched=watched
    )


def _stock(rng: Draws, price: float) -> JsonValue:
    luck = rng.random()
    return {
        "price": price,
        "percent_change": round(2 * luck - 1, 2),
        "volume": round(1 + 9 * luck, 3),
        "MA(5)": price + (0.25 if luck < 1 / 2 else -0.25),
        "MA(20)": price + (1.25 if luck < 1 / 2 else -1.25),
    }


def draw_order(story: TradeStory, symbol: str) -> Order:
    """Draw an order for a stock, its price and its number of shares often near each other."""
    rng = story.rng
    price = rng.price(high=MOST)
    amount = rng.near(price) if rng.random() < NEAR else rng.number(2, MOST)
    return Order(rng.choice(tuple(SIDES)), symbol, amount, price)


NEAR: Final = 0.4
"""Share of orders whose two numbers are near each other."""


def has_fresh(story: TradeStory) -> bool:
    """Whether there is a symbol that nobody has asked about."""
    return bool(story.fresh)
