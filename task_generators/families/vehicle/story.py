"""What the author of a car task keeps in mind: doors, pedal, tank and where to go."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import JsonValue

from loop.types import From, PlannedCall
from task_generators.writing import words
from task_generators.writing.draws import Draws, ValuePool
from task_generators.writing.story import Story, call

BACKEND: Final = "VehicleControlAPI"

DOORS: Final = ("driver", "passenger", "rear_left", "rear_right")

ROADS: Final = (
    ("Rivermist", "Stonebrook"),
    ("Maplecrest", "Silverpine"),
    ("Shadowridge", "Sunset Valley"),
    ("Oakendale", "Willowbend"),
    ("Crescent Hollow", "Autumnville"),
    ("San Francisco", "Rivermist"),
    ("Silverpine", "Oakendale"),
    ("San Francisco", "Silverpine"),
    ("Stonebrook", "San Francisco"),
)
"""Cities whose distance the backend knows, in either order."""

CITIES: Final = ValuePool(dict.fromkeys(city for road in ROADS for city in road))
ASKED: Final = len(CITIES.training)
"""Cities that one story may ask about."""

STREETS: Final = ("Street", "Road", "Avenue", "Lane", "Square")

NEAR: Final = 0.4
"""Share of fan speeds that are near the temperature."""


@dataclass
class CarStory(Story):
    """What the author knows of the car by now."""

    words: ClassVar[str] = "vehicle"

    locked: dict[str, bool] = field(default_factory=dict)
    pressed: bool = False
    running: bool = False
    gallons: int | None = None
    """The step that converted liters that have not been filled in."""
    cities: list[str] = field(default_factory=list)
    """Cities that nobody has asked about."""
    place: From | None = None
    """A place that a result has named, where nobody has gone yet."""
    shop: bool = False
    """Whether a tire shop has been looked for."""
    roads: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of cities of which nobody has asked about either."""
    distance: int | None = None
    """The first of the two steps that told zip codes whose distance nobody knows yet."""


def parked(rng: Draws) -> CarStory:
    """A parked car with a nearly empty tank and its doors unlocked."""
    fuel = rng.randint(1, 4) + rng.choice((0.25, 0.5, 0.75))
    state: dict[str, JsonValue] = {
        "random_seed": rng.randrange(10**6),
        "fuelLevel": fuel,
        "batteryVoltage": 12.0 + rng.randint(1, 9) / 10,
        "engineState": "stopped",
        "remainingUnlockedDoors": len(DOORS),
        "doorStatus": dict.fromkeys(DOORS, "unlocked"),
        "acTemperature": 25.0,
        "fanSpeed": 50,
        "acMode": "auto",
        "humidityLevel": float(rng.randint(20, 80)),
        "headLightStatus": "off",
        "parkingBrakeStatus": "released",
        "brakePedalStatus": "released",
        "distanceToNextVehicle": 50.0,
        "cruiseStatus": "inactive",
        "destination": "None",
    }
    cities = rng.some(CITIES, len(CITIES.all) if rng.suites else ASKED)
    roads = [rng.choice((road, road[::-1])) for road in ROADS if set(road) <= set(cities)]
    rng.shuffle(roads)
    return CarStory(rng, {BACKEND: state}, locked=dict.fromkeys(DOORS, False), cities=cities, roads=roads)


class Climate(NamedTuple):
    """A climate that the user asks for."""

    degrees: float
    fan: int
    mode: str

    @property
    def set(self) -> PlannedCall:
        """Plan it."""
        degrees, fan, mode = self
        return call("adjustClimateControl", temperature=degrees, unit="celsius", fanSpeed=fan, mode=mode)

    @property
    def said(self) -> dict[str, Any]:
        """What fills the blanks of a sentence about it."""
        return self._asdict()


def draw_climate(rng: Draws) -> Climate:
    """Draw a climate, its two numbers often near each other."""
    degrees = rng.price(16, 28)
    fan = rng.near(degrees) if rng.random() < NEAR else rng.number(5, 100)
    return Climate(degrees, fan, rng.choice(("cool", "heat", "defrost", "auto")))


def draw_address(rng: Draws) -> str:
    """Draw an address."""
    return f"{rng.number(1, 999)} {rng.one(words.PLACES).title()} {rng.choice(STREETS)}"


def set_climate(story: CarStory) -> None:
    """Ask for a climate."""
    climate = draw_climate(story.rng)
    story.add("climate", climate.set, **climate.said)


def navigate(story: CarStory) -> None:
    """Ask for navigation to an address."""
    address = draw_address(story.rng)
    story.add("navigate", going(address), address=address)


def climate_and_way(story: CarStory) -> None:
    """Ask for a climate and for a way, in one turn."""
    climate, address = draw_climate(story.rng), draw_address(story.rng)
    story.add("climate_and_way", climate.set, going(address), address=address, **climate.said)


def going(place: str | From) -> PlannedCall:
    """Plan the navigation to a place."""
    return call("set_navigation", destination=place)


def fresh_city(story: CarStory) -> str:
    """Take a city that nobody has asked about."""
    city = story.cities.pop()
    story.roads = [road for road in story.roads if city not in road]
    return city


def fresh_road(story: CarStory) -> tuple[str, str]:
    """Take a pair of cities that nobody has asked about."""
    road = story.roads.pop()
    story.roads = [other for other in story.roads if not set(other) & set(road)]
    story.cities = [city for city in story.cities if city not in road]
    return road


def has_city(story: CarStory) -> bool:
    """Whether there is a city to ask about."""
    return bool(story.cities)


def has_road(story: CarStory) -> bool:
    """Whether there is a pair of cities to ask about."""
    return bool(story.roads)
