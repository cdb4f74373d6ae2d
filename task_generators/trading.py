"""Tasks on the trading bot: prices, orders, companies and watch lists. Most need what only a result tells."""

from typing import Final

from task_generators.families.trading.account import ACCOUNT
from task_generators.families.trading.buy import BUY
from task_generators.families.trading.company import COMPANY
from task_generators.families.trading.compare import COMPARE
from task_generators.families.trading.orders import ORDERS
from task_generators.families.trading.story import BACKEND, TradeStory
from task_generators.families.trading.watch import WATCH
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Trading"]

TOOLS: Final = (
    "get_stock_info",
    "place_order",
    "get_order_details",
    "cancel_order",
    "get_symbol_by_name",
    "add_to_watchlist",
    "remove_stock_from_watchlist",
    "get_watchlist",
    "get_account_info",
    "fund_account",
)


class Trading(Generator):
    """Tasks on TradingBot: prices, order numbers, symbols and lists come from results."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "trading"

    @property
    def backends(self) -> tuple[str, ...]:
        """The trading bot alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need, and two more."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[TradeStory], ...]:
        """The kinds of task."""
        return BUY, ORDERS, COMPANY, WATCH, ACCOUNT, COMPARE
