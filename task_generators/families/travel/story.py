"""What the author of a travel task keeps in mind: the traveller, and what results have shown."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import JsonValue

from loop.types import Argument, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws, ValuePool
from task_generators.writing.story import Story, call, result

BACKEND: Final = "TravelAPI"

TOWNS: Final = {
    "Rivermist": "RMS",
    "Stonebrook": "SBK",
    "Maplecrest": "MPC",
    "Silverpine": "SVP",
    "Shadowridge": "SHD",
    "Sunset Valley": "SSV",
    "Oakendale": "OKD",
    "Willowbend": "WLB",
    "Crescent Hollow": "CRH",
    "Autumnville": "ATV",
    "Pinehaven": "PHV",
    "Greenfield": "GFD",
}
"""Towns in the backend's order: it flies from each one to every later one."""

HUBS: Final = {"San Francisco": "SFO", "Los Angeles": "LAX", "New York": "JFK", "Chicago": "ORD", "Boston": "BOS"}
"""It flies from every hub to every town."""

AIRPORTS: Final = TOWNS | HUBS
CITIES: Final = ValuePool(AIRPORTS)
ASKED: Final = 13
"""Cities that one story may ask about."""

SPOKEN: Final = 3
"""Hubs whose airports the user calls by their codes."""

CLASSES: Final = ("economy", "business", "first")
CURRENCIES: Final = {
    "euros": "EUR",
    "yen": "JPY",
    "British pounds": "GBP",
    "Canadian dollars": "CAD",
    "Australian dollars": "AUD",
    "rupees": "INR",
    "Mexican pesos": "MXN",
}
"""Currencies by the name that the user gives them, and their codes."""

MONEYS: Final = ValuePool(CURRENCIES)
ALL_MONEYS: Final = len(MONEYS.training)

WITH_TOKEN: Final = frozenset(
    "balance balance_in book book_with_invoice incomplete limit limit_to_fare limit_to_it repair".split()  # noqa: SIM905 - a list of words
)
"""Moves that need the access token: the user tells it with the first of them."""


class Trip(NamedTuple):
    """A flight that exists."""

    start: str
    end: str
    day: str
    seat: str

    @property
    def said(self) -> dict[str, Any]:
        """What fills the blanks of a sentence about it."""
        return self._asdict()

    @property
    def arguments(self) -> dict[str, str]:
        """The same in the backend's own words."""
        start, end, day, seat = self
        return {"travel_from": start, "travel_to": end, "travel_date": day, "travel_class": seat}


@dataclass
class TravelStory(Story):
    """What the author knows of the traveller by now."""

    words: ClassVar[str] = "travel"

    token: str = ""
    """The access token where the user knows it."""
    card: str = ""
    card_known: bool = False
    """Whether the user has told token and card."""
    fresh: list[str] = field(default_factory=list)
    """Cities that nobody has asked about."""
    spoken: list[str] = field(default_factory=list)
    """Airports that the user calls by their codes: nobody asks for their cities."""
    airport: tuple[int, str] | None = None
    """The step that named an airport in the last turn, and the city."""
    fare: int | None = None
    """The step that showed a fare, or a balance, in the last turns."""
    fresh_currencies: list[str] = field(default_factory=list)
    booked: int | None = None
    """The step that made a booking which still stands."""
    trip: Trip | None = None
    """What was booked."""
    invoiced: bool = False
    checked: bool = False
    """Whether the user has seen the card's balance as it is now."""
    login: int | None = None
    """The step that logged the user in."""

    def said(self, move: str, /, **blanks: object) -> str:
        """Draw what the user says for a move; where it is due, the access token is told before or after it."""
        said = super().said(move, **blanks)
        token = self.tell_token() if move in WITH_TOKEN else ""
        first, second = (token, said) if self.rng.random() < TOKEN_FIRST else (said, token)
        return f"{first} {second}".strip()

    def tell_token(self) -> str:
        """Let the user tell the access token, once."""
        if self.card_known or not self.token:
            return ""
        self.card_known = True
        return super().said("token", token=self.token)

    def with_token(self, name: str, /, **arguments: Argument) -> PlannedCall:
        """Plan a call with the token that the user knows, or that the log-in returned."""
        token: Argument = self.token if self.login is None else result(self.login, "access_token")
        return call(name, access_token=token, **arguments)

    def book(self, trip: Trip) -> PlannedCall:
        """Plan a booking of a trip."""
        self.trip, self.invoiced, self.checked = trip, False, False
        return self.with_token("book_flight", card_id=self.card, **trip.arguments)

    def called(self) -> str:
        """Say which card is meant, before the token is told."""
        return "the same card" if self.card_known and self.rng.random() < SAME else f"card {self.card}"


SAME: Final = 0.5
"""Share of the cards that are called the same card, once one has been named."""

TOKEN_FIRST: Final = 0.3
"""Share of the tokens that are told before the request."""


def known(rng: Draws) -> TravelStory:
    """A traveller who is logged in and knows the token."""
    return _opening(rng, rng.digits(6))


def unknown(rng: Draws) -> TravelStory:
    """A traveller who has to log in."""
    return _opening(rng, None)


def _opening(rng: Draws, token: str | None) -> TravelStory:
    card = rng.digits(4)
    first, last = rng.one(words.FIRST_NAMES), rng.one(words.LAST_NAMES)
    cards: dict[str, JsonValue] = {
        card: {
            "card_number": rng.digits(16),
            "expiration_date": f"{rng.randint(1, 12):02}/20{rng.randint(27, 33)}",
            "cardholder_name": f"{first} {last}",
            "card_verification_number": rng.randrange(100, 1000),
            "balance": rng.number(60000, 99000),
        }
    }
    initial: dict[str, JsonValue] = {
        BACKEND: {
            "random_seed": rng.randrange(10**6),
            "credit_card_list": cards,
            "booking_record": {},
            "access_token": token,
            "token_type": token and "Bearer",
            "token_expires_in": token and 3600,
            "token_scope": token and "read_write",
            "user_first_name": first,
            "user_last_name": last,
            "budget_limit": None,
        }
    }
    cities, hubs = rng.some(CITIES, ASKED), rng.sample([*HUBS], SPOKEN)
    fresh = [city for city in cities if city not in hubs]
    spoken = [HUBS[hub] for hub in hubs]
    currencies = rng.some(MONEYS, ALL_MONEYS)
    return TravelStory(
        rng, initial, token=token or "", card=card, fresh=fresh, spoken=spoken, fresh_currencies=currencies
    )


def draw_trip(rng: Draws) -> Trip:
    """Draw a flight that exists. Training has only cities of its own share."""
    cities = CITIES.all if rng.suites else CITIES.training
    towns = [city for city in cities if city in TOWNS]
    later = rng.randrange(1, len(towns))
    start = rng.choice([*(city for city in cities if city in HUBS), *towns[:later]])
    return Trip(AIRPORTS[start], AIRPORTS[towns[later]], rng.day(), rng.choice(CLASSES))
