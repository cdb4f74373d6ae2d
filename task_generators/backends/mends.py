"""What BFCL's simulators share between plays, or read from the clock, given to each play alone.

A few of BFCL's methods read the clock, a module's global, a default argument or the order of a set, and a few never
end. Each class here stands before the simulator of its name and mends that, so that sixteen plays at once do not meet
and a trajectory replays (rule 1). docs/worlds.md lists every difference.
"""

import datetime as dt
import decimal
import importlib
import math
from collections.abc import Mapping
from typing import Any, Final

from task_generators.backends.file_system import FileSystem
from task_generators.backends.values import copied

PACKAGE: Final = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"

TODAY: Final = dt.date(2026, 1, 1)
"""What day it is in every world."""

OF_AGE: Final = 18

MAX_DIGITS: Final = 400
"""Digits that the mathematics backend computes with at most."""

_Simulator: Any = object
"""The simulator that follows in the order of resolution."""


class Mathematics(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """Precision of its own, where BFCL sets that of the whole process, and results of a bounded size."""

    def logarithm(self, value: float, base: float, precision: int) -> Any:  # noqa: ANN401 - BFCL's result
        """Compute in a context of this call."""
        from mpmath import ctx_mp, libmp  # noqa: PLC0415 - slow to import, and only this tool needs it

        try:
            context = ctx_mp.MPContext()
            context.dps = bounded(precision)
            result = context.log(value) / context.log(base)
            return {"result": float(context.nstr(result, libmp.repr_dps(context.prec)))}
        except (ArithmeticError, ValueError, TypeError) as error:
            return {"error": str(error) or type(error).__name__}

    def square_root(self, number: float, precision: int) -> Any:  # noqa: ANN401 - BFCL's result
        """Compute in a decimal context of this call."""
        with decimal.localcontext():
            result = super().square_root(number, bounded(precision))
        return {"result": float(result["result"])} if "result" in result else result

    def power(self, base: float, exponent: float) -> Any:  # noqa: ANN401 - BFCL's result
        """Raise, unless that makes an integer of more than `MAX_DIGITS`."""
        if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
            bounded(math.ceil(exponent * math.log10(abs(base))))
        return super().power(base, exponent)

    def round_number(self, number: float, decimal_places: int = 0) -> Any:  # noqa: ANN401 - BFCL's result
        """Round to a bounded number of places."""
        return super().round_number(number, bounded(decimal_places))


def bounded(digits: int) -> int:
    """Give the number back.

    Raises:
        OverflowError: it asks for more digits than anybody needs.
    """
    if abs(digits) > MAX_DIGITS:
        raise OverflowError(f"more than {MAX_DIGITS} digits")
    return digits


class MendedTickets(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """Errors in one order."""

    def edit_ticket(self, ticket_id: int, updates: Mapping[str, Any]) -> Any:  # noqa: ANN401 - BFCL's result
        """Edit; the error about unknown fields lists them in one order, not in a set's."""
        result = super().edit_ticket(ticket_id, updates)
        if str(result.get("error", "")).startswith(invalid := "Invalid fields for update: "):
            known = {"title", "description", "status", "priority"}
            result["error"] = invalid + ", ".join(sorted(updates.keys() - known))
        return result


class MendedTravel(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """Cards and bookings of its own, one day for every play, errors in one order."""

    credit_card_list: Any
    booking_record: Any

    def _load_scenario(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:  # noqa: FBT001, FBT002 - BFCL's signature
        """Load, then own what a long context shares between all plays."""
        super()._load_scenario(scenario, long_context)
        if long_context:
            self.credit_card_list = copied(self.credit_card_list)
            self.booking_record = copied(self.booking_record)

    def book_flight(self, **arguments: Any) -> Any:  # noqa: ANN401 - BFCL's signature
        """Book; the error about an unknown class lists the classes in one order, not in a set's."""
        result = super().book_flight(**arguments)
        if str(result.get("error", "")).startswith("Invalid travel class"):
            result["error"] = "Invalid travel class. Must be one of: business, economy, first"
        return result

    def verify_traveler_information(self, **arguments: str) -> Any:  # noqa: ANN401 - BFCL's signature
        """Verify; who is of age is counted from `TODAY`, not from the clock."""
        young = "Traveler must be at least 18 years old."
        result = super().verify_traveler_information(**arguments)
        born = day(arguments["date_of_birth"])
        if born is None or str(result.get("verification_failure", "")).startswith("Cannot book"):
            return result
        if years(born) < OF_AGE:
            return {"verification_status": False, "verification_failure": young}
        if result.get("verification_failure") == young:
            return super().verify_traveler_information(**{**arguments, "date_of_birth": "1970-01-01"})
        return result


def day(text: str) -> dt.date | None:
    """Read a day as BFCL does; None where it is none."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def years(born: dt.date) -> int:
    """Age on `TODAY`."""
    return TODAY.year - born.year - ((TODAY.month, TODAY.day) < (born.month, born.day))


class MendedTwitter(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """Lists of its own: BFCL's default lists belong to all plays, and `mention` writes into them."""

    def post_tweet(self, content: str, tags: Any = (), mentions: Any = ()) -> Any:  # noqa: ANN401 - BFCL's signature
        """Post."""
        return super().post_tweet(content, list(tags), list(mentions))


class MendedVehicle(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """A weather report of its own, where a long context has one for all plays."""

    def get_outside_temperature_from_google(self) -> Any:  # noqa: ANN401 - BFCL's result
        """Draw the temperature, and dress it in the long context's report."""
        drawn = {"outsideTemperature": self._random.uniform(-10.0, 40.0)}
        if not self.long_context:
            return drawn
        report = importlib.import_module(f"{PACKAGE}.long_context").LONG_WEATHER_EXTENSION
        return {**{word: value for word, value in report.items() if word not in drawn}, **drawn}


MENDS: Final[Mapping[str, type]] = {
    "GorillaFileSystem": FileSystem,
    "MathAPI": Mathematics,
    "TicketAPI": MendedTickets,
    "TravelAPI": MendedTravel,
    "TwitterAPI": MendedTwitter,
    "VehicleControlAPI": MendedVehicle,
}
"""What stands before each simulator."""
