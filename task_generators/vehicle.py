"""Tasks on the car: gallons, zip codes and places come from results; doors, pedals and climate from the words."""

from typing import Final

from task_generators.families.vehicle.doors import CLIMATE, DOORS_FAMILY
from task_generators.families.vehicle.fuel import FUEL
from task_generators.families.vehicle.start import START
from task_generators.families.vehicle.story import BACKEND
from task_generators.families.vehicle.trip import NAVIGATE, TRIP
from task_generators.writing.generator import Domain, Generator

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

DOMAIN: Final = Domain((BACKEND,), TOOLS, (START, DOORS_FAMILY, CLIMATE, FUEL, NAVIGATE, TRIP))


class Vehicle(Generator):
    """Tasks on VehicleControlAPI: half of the families need what only a result tells."""

    domains = (DOMAIN,)
