"""Bookings, and their invoices and cancellations by the id that a result supplies."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.travel.story import TravelStory, draw_trip, known
from task_generators.writing.story import Family, Move, result


def book(story: TravelStory) -> None:
    """Ask for a booking."""
    trip, booking = draw_trip(story.rng), result(story.steps, "booking_id")
    story.booked = story.add("book", story.book(trip), names={"booking": booking}, card=story.called(), **trip.said)


def _book_with_invoice(story: TravelStory) -> None:
    trip, cost = draw_trip(story.rng), result(story.steps + 1, "invoice", "travel_cost")
    booking, story.booked = story.book(trip), story.steps
    invoice = _with_booking(story, "retrieve_invoice")
    story.add("book_with_invoice", booking, invoice, tells={"cost": cost}, card=story.called(), **trip.said)
    story.invoiced = True


def _invoice(story: TravelStory) -> None:
    assert story.trip is not None
    cost = result(story.steps, "invoice", "travel_cost")
    story.add("invoice", _with_booking(story, "retrieve_invoice"), tells={"cost": cost}, **story.trip.said)
    story.invoiced = True


def _cancel(story: TravelStory) -> None:
    assert story.booked is not None
    booking = result(story.booked, "booking_id")
    story.add("cancel", _with_booking(story, "cancel_booking"), names={"booking": booking})
    story.booked = None


def _with_booking(story: TravelStory, name: str) -> PlannedCall:
    assert story.booked is not None
    return story.with_token(name, booking_id=result(story.booked, "booking_id"))


BOOKING: Final = Family(
    "booking",
    known,
    (
        Move(book, 1),
        Move(_invoice, 1, lambda story: story.booked is not None and not story.invoiced, weight=2),
        Move(_cancel, 1, lambda story: story.booked is not None, weight=2),
        Move(_book_with_invoice, 2, weight=2),
    ),
)
