"""Bookings, and their invoices and cancellations by the id that a result supplies."""

from typing import Final

from loop.types import PlannedCall
from task_generators.families.travel.story import TravelStory, Trip, draw_trip, known, tell_token
from task_generators.writing.story import Family, Move, call, result


def _book(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Book a flight from {start} to {end} on {day} in {seat} class with {card}.",
        "Please book {seat} class from {start} to {end} on {day}, paid with {card}.",
        "I want to fly {seat} class from {start} to {end} on {day}. Book it with {card}.",
        "Get me a ticket in {seat} class from {start} to {end} for {day}, using {card}.",
    )
    user = story.phrase(phrases, card=_card(story), **trip.words) + tell_token(story)
    story.booked = story.turn(user, _booking(story, trip))
    story.invoiced = False


def _book_with_invoice(story: TravelStory) -> None:
    trip = draw_trip(story.rng)
    phrases = (
        "Book {seat} class from {start} to {end} on {day} with {card} and get the invoice.",
        "Please book {seat} class from {start} to {end} on {day} with {card}. Show me the invoice.",
        "Book me {seat} class from {start} to {end} on {day} with {card}, then show its invoice.",
        "Get a ticket from {start} to {end} for {day}, {seat} class, with {card}, and its invoice.",
    )
    user = story.phrase(phrases, card=_card(story), **trip.words) + tell_token(story)
    story.booked = story.steps
    story.turn(user, _booking(story, trip), _with_booking(story, "retrieve_invoice"))
    story.invoiced = True


def _invoice(story: TravelStory) -> None:
    phrases = (
        "Show me the invoice for that booking.",
        "Get the invoice of this booking.",
        "I need the invoice for it.",
        "Please get me the invoice for that flight.",
    )
    story.turn(story.phrase(phrases), _with_booking(story, "retrieve_invoice"))
    story.invoiced = True


def _cancel(story: TravelStory) -> None:
    phrases = (
        "Cancel that booking.",
        "I cannot travel, cancel this booking.",
        "Please cancel the flight I just booked.",
        "My plans changed, cancel that flight.",
    )
    story.turn(story.phrase(phrases), _with_booking(story, "cancel_booking"))
    story.booked = None


def _booking(story: TravelStory, trip: Trip) -> PlannedCall:
    return call("book_flight", access_token=story.token, card_id=story.card, **trip.arguments)


def _with_booking(story: TravelStory, name: str) -> PlannedCall:
    assert story.booked is not None
    return call(name, access_token=story.token, booking_id=result(story.booked, "booking_id"))


def _card(story: TravelStory) -> str:
    return "the same card" if story.told else f"card {story.card}"


BOOKING: Final = Family(
    "booking",
    known,
    (
        Move(_book, 1),
        Move(_invoice, 1, lambda story: story.booked is not None and not story.invoiced, weight=2),
        Move(_cancel, 1, lambda story: story.booked is not None, weight=2),
        Move(_book_with_invoice, 2, weight=2),
    ),
)
