"""Tasks on the car: gallons, zip codes and places come from results; doors, pedals and climate from the words."""

from typing import Final

from task_generators.families.vehicle.doors import CLIMATE, DOORS_FAMILY
from task_generators.families.vehicle.fuel import FUEL
from task_generators.families.vehicle.start import START
from task_generators.families.vehicle.story import BACKEND, CarStory
from task_generators.families.vehicle.trip import NAVIGATE, TRIP
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Vehicle"]

TOOLS: Final = (
    "lockDoors",
    "pressBrakePedal",
    "startEngine",
    "adjustClimateControl",
    "liter_to_gallon",
    "fillFuelTank",
    "get_zipcode_based_on_city",
    "estimate_distance",
    "find_nearest_tire_shop",
    "set_navigation",
)


class Vehicle(Generator):
    """Tasks on VehicleControlAPI: half of the families need what only a result tells."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "vehicle"

    @property
    def backends(self) -> tuple[str, ...]:
        """The car alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[CarStory], ...]:
        """The kinds of task."""
        return START, DOORS_FAMILY, CLIMATE, FUEL, NAVIGATE, TRIP
