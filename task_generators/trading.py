"""Tasks on the trading bot: prices, orders, companies and watch lists. Most need what only a result tells."""

from typing import Final

from task_generators.families.trading.account import ACCOUNT
from task_generators.families.trading.buy import BUY
from task_generators.families.trading.company import COMPANY
from task_generators.families.trading.compare import COMPARE
from task_generators.families.trading.orders import ORDERS
from task_generators.families.trading.story import BACKEND
from task_generators.families.trading.watch import WATCH
from task_generators.writing.generator import Domain, Generator

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

DOMAIN: Final = Domain((BACKEND,), TOOLS, (BUY, ORDERS, COMPANY, WATCH, ACCOUNT, COMPARE))


class Trading(Generator):
    """Tasks on TradingBot: prices, order numbers, symbols and lists come from results."""

    domains = (DOMAIN,)
