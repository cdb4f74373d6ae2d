"""What the author of a travel task keeps in mind: the traveller, and what results have shown."""

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from pydantic import JsonValue

from task_generators.writing import words
from task_generators.writing.story import Story

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


@dataclass
class TravelStory(Story):
    """What the author knows of the traveller by now."""

    token: str = ""
    """The access token where the user knows it."""
    card: str = ""
    told: bool = False
    """Whether the user has told token and card."""
    fresh: list[str] = field(default_factory=list)
    """Cities that nobody has asked about."""
    spoken: list[str] = field(default_factory=list)
    """Airports that the user calls by their codes: nobody asks for their cities."""
    airport: tuple[int, str] | None = None
    """The step that named an airport in the last turn, and the city."""
    fare: int | None = None
    """The step that showed a fare in the last turns."""
    fresh_currencies: list[str] = field(default_factory=list)
    booked: int | None = None
    """The step that made a booking which still stands."""
    invoiced: bool = False
    checked: bool = False
    """Whether the user has seen the card's balance as it is now."""
    login: int | None = None
    """The step that logged the user in."""


def known(rng: Random) -> TravelStory:
    """A traveller who is logged in and knows the token."""
    return _opening(rng, words.digits(rng, 6))


def unknown(rng: Random) -> TravelStory:
    """A traveller who has to log in."""
    return _opening(rng, None)


def _opening(rng: Random, token: str | None) -> TravelStory:
    card = words.digits(rng, 4)
    first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
    cards: dict[str, JsonValue] = {
        card: {
            "card_number": words.digits(rng, 16),
            "expiration_date": f"{rng.randint(1, 12):02}/20{rng.randint(27, 33)}",
            "cardholder_name": f"{first} {last}",
            "card_verification_number": rng.randrange(100, 1000),
            "balance": rng.randrange(60000, 99000),
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
    hubs, currencies = words.some(rng, tuple(HUBS), len(HUBS)), words.some(rng, tuple(CURRENCIES), 7)
    cities = words.some(rng, (*TOWNS, *hubs[3:]), len(TOWNS) + 2)
    spoken = [HUBS[hub] for hub in hubs[:3]]
    return TravelStory(
        rng, initial, token=token or "", card=card, fresh=cities, spoken=spoken, fresh_currencies=currencies
    )


def _route(rng: Random) -> tuple[str, str]:
    """Draw two cities between which the backend flies."""
    towns = tuple(TOWNS)
    later = rng.randrange(1, len(towns))
    return rng.choice([*HUBS, *towns[:later]]), towns[later]


class Trip(NamedTuple):
    """A flight that exists."""

    start: str
    end: str
    day: str
    seat: str

    @property
    def words(self) -> dict[str, str]:
        """The blanks of a phrase that it fills."""
        return self._asdict()

    @property
    def arguments(self) -> dict[str, str]:
        """The same in the backend's own words."""
        start, end, day, seat = self
        return {"travel_from": start, "travel_to": end, "travel_date": day, "travel_class": seat}


def draw_trip(rng: Random) -> Trip:
    """Draw a flight that exists."""
    start, end = _route(rng)
    return Trip(AIRPORTS[start], AIRPORTS[end], words.day(rng), rng.choice(CLASSES))


def tell_token(story: TravelStory) -> str:
    """Let the user tell the access token, once."""
    told, story.told = story.told, True
    return "" if told else f" My access token is {story.token}."
