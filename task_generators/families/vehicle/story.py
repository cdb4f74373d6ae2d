"""What the author of a car task keeps in mind: doors, pedal, tank and where to go."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from pydantic import JsonValue

from loop.types import From
from task_generators.writing import words
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

CITIES: Final = tuple(dict.fromkeys(city for road in ROADS for city in road))


@dataclass
class CarStory(Story):
    """What the author knows of the car by now."""

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


def parked(rng: Random) -> CarStory:
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
    roads = [rng.choice((road, road[::-1])) for road in words.some(rng, ROADS, len(ROADS))]
    cities = words.some(rng, CITIES, len(CITIES))
    return CarStory(rng, {BACKEND: state}, locked=dict.fromkeys(DOORS, False), cities=cities, roads=roads)


def set_climate(story: CarStory) -> None:
    """Ask for a climate."""
    degrees = story.rng.randint(16, 28) + story.rng.choice((0.25, 0.5, 0.75))
    fan, mode = story.rng.randint(5, 100), story.rng.choice(("cool", "heat", "defrost", "auto"))
    phrases = (
        "Set the climate to {degrees} celsius, fan speed {fan}, mode {mode}.",
        "Make it {degrees} degrees celsius with fan speed {fan} in {mode} mode.",
        "I want {degrees} celsius in {mode} mode, fan speed {fan}.",
        "Adjust the climate: {degrees} celsius, fan speed {fan}, {mode} mode.",
    )
    user = story.phrase(phrases, degrees=degrees, fan=fan, mode=mode)
    story.turn(user, call("adjustClimateControl", temperature=degrees, unit="celsius", fanSpeed=fan, mode=mode))


def navigate(story: CarStory) -> None:
    """Ask for navigation to an address."""
    address = f"{story.rng.randint(1, 999)} {story.rng.choice(words.PLACES).title()} Street"
    phrases = (
        "Navigate to {address}.",
        "Take me to {address}.",
        "Set the navigation to {address}.",
        "I want to go to {address}, start the navigation.",
    )
    story.turn(story.phrase(phrases, address=address), call("set_navigation", destination=address))


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
