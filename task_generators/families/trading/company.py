"""Companies by name: their symbols, and then their prices, come from results."""

from typing import Final

from task_generators.families.trading.story import TradeStory, draw_order, opening
from task_generators.writing.story import Family, Move, call, result


def _symbol(story: TradeStory) -> None:
    company, symbol = story.companies.pop(), result(story.steps, "symbol")
    story.add("symbol", call("get_symbol_by_name", name=company), tells={"symbol": symbol}, company=company)


def _watch_company(story: TradeStory) -> None:
    company, symbol = story.companies.pop(), result(story.steps, "symbol")
    watching = call("add_to_watchlist", stock=symbol)
    finding = call("get_symbol_by_name", name=company)
    story.add("watch_company", finding, watching, names={"symbol": symbol}, company=company)


def _quote_company(story: TradeStory) -> None:
    company, symbol = story.companies.pop(), result(story.steps, "symbol")
    blanks = {"price": result(story.steps + 1, "price"), "symbol": symbol}
    finding, looking = call("get_symbol_by_name", name=company), call("get_stock_info", symbol=symbol)
    story.add("quote_company", finding, looking, tells=blanks, company=company)


def _buy_company(story: TradeStory) -> None:
    company, symbol, price = story.companies.pop(), result(story.steps, "symbol"), result(story.steps + 1, "price")
    amount = draw_order(story, company).amount
    finding, looking = call("get_symbol_by_name", name=company), call("get_stock_info", symbol=symbol)
    buying = call("place_order", order_type="Buy", symbol=symbol, price=price, amount=amount)
    blanks = {"symbol": symbol, "price": price}
    story.add("buy_company", finding, looking, buying, names=blanks, company=company, amount=amount)


def _has_company(story: TradeStory) -> bool:
    return bool(story.companies)


COMPANY: Final = Family(
    "company",
    opening,
    (
        Move(_symbol, 1, _has_company),
        Move(_watch_company, 2, _has_company, weight=2),
        Move(_quote_company, 2, _has_company, weight=2),
        Move(_buy_company, 3, _has_company, weight=3),
    ),
)
