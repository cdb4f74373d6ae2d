"""Tasks on the travel backend: airports, fares, bookings and log-ins; codes, fares, ids, tokens come from results."""

from typing import Final

from task_generators.families.travel.airport import AIRPORT
from task_generators.families.travel.booking import BOOKING
from task_generators.families.travel.budget import BUDGET
from task_generators.families.travel.login import LOGIN
from task_generators.families.travel.money import MONEY
from task_generators.families.travel.story import BACKEND
from task_generators.families.travel.wallet import WALLET
from task_generators.writing.generator import Domain, Generator

__all__ = ["Travel"]

TOOLS: Final = (
    "get_nearest_airport_by_city",
    "get_flight_cost",
    "compute_exchange_rate",
    "book_flight",
    "cancel_booking",
    "retrieve_invoice",
    "authenticate_travel",
    "set_budget_limit",
    "get_credit_card_balance",
)

DOMAIN: Final = Domain((BACKEND,), TOOLS, (AIRPORT, MONEY, BOOKING, LOGIN, BUDGET, WALLET))


class Travel(Generator):
    """Tasks on TravelAPI: airports, fares, booking ids and tokens come from results."""

    domains = (DOMAIN,)
