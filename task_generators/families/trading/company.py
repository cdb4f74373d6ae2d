"""Companies by name: their symbols, and then their prices, come from results."""

from typing import Final

from task_generators.families.trading.story import TradeStory, amount_of_shares, opening
from task_generators.writing.story import Family, Move, call, result


def _symbol(story: TradeStory) -> None:
    company = story.companies.pop()
    phrases = (
        "What is the stock symbol of {company}?",
        "Look up the symbol for {company}.",
        "Which symbol does {company} have?",
        "Find the stock symbol of {company}.",
    )
    story.turn(story.phrase(phrases, company=company), call("get_symbol_by_name", name=company))


def _watch_company(story: TradeStory) -> None:
    company = story.companies.pop()
    phrases = (
        "Look up the symbol of {company} and add it to my watchlist.",
        "Find the stock symbol of {company} and put it on my watchlist.",
        "Get the symbol for {company}, then add it to the watchlist.",
        "I want to watch {company}: look up its symbol and add it to my watchlist.",
    )
    story.turn(
        story.phrase(phrases, company=company),
        call("get_symbol_by_name", name=company),
        call("add_to_watchlist", stock=result(story.steps, "symbol")),
    )


def _quote_company(story: TradeStory) -> None:
    company = story.companies.pop()
    phrases = (
        "Look up the symbol of {company} and tell me its price.",
        "Find the stock symbol of {company} and check the price.",
        "Get the symbol for {company}, then show me the stock.",
        "What does {company} cost? Look up its symbol first.",
    )
    story.turn(
        story.phrase(phrases, company=company),
        call("get_symbol_by_name", name=company),
        call("get_stock_info", symbol=result(story.steps, "symbol")),
    )


def _buy_company(story: TradeStory) -> None:
    company, amount, first = story.companies.pop(), amount_of_shares(story.rng), story.steps
    phrases = (
        "Look up the symbol of {company}, check its price and buy {amount} shares at that price.",
        "Find the stock symbol of {company} and buy {amount} shares at the current price.",
        "Get the symbol for {company}, then buy {amount} shares at its current price.",
        "Buy {amount} shares of {company} at the current price. Look up its symbol first.",
    )
    symbol, price = result(first, "symbol"), result(first + 1, "price")
    story.turn(
        story.phrase(phrases, company=company, amount=amount),
        call("get_symbol_by_name", name=company),
        call("get_stock_info", symbol=symbol),
        call("place_order", order_type="Buy", symbol=symbol, price=price, amount=amount),
    )


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
