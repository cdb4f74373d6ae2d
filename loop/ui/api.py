"""The HTTP API for programs: what the store knows, read only, a page at a time; and events as they happen."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from loop.control.progress import Progress
from loop.store.trajectories import Shown
from loop.types import Event, Record
from loop.ui import listing, story
from loop.ui.openapi import Offer, Parameter, document
from loop.ui.problems import answered
from loop.ui.rendering import HEADERS
from loop.ui.rows import LISTS, page, rows
from loop.ui.site import Site

SCHEMA: Final = "loopd/v1"
MOST: Final = 500
"""Rows of a page, at most."""
POLL: Final = 1.0
"""Seconds between two looks for events."""
SILENCE: Final = 15
"""Looks without an event after which a stream shows that it lives."""


class Paged(Record):
    """Which page is asked for."""

    limit: int = Field(default=100, ge=1, le=MOST)
    after: str | None = Field(default=None, max_length=2000)


class Since(Record):
    """From where events are told."""

    since: int = Field(default=0, ge=0, lt=2**63)


class Status(Record):
    """What the daemon does."""

    running: bool
    now: str
    """In a sentence."""
    why: str
    """Why the last candidate was or was not promoted, in a sentence."""
    paused: dict[str, str]
    """Paused gates, with the reasons given."""
    progress: Progress | None


class Rows(Record):
    """A page of a view: its columns are documented in docs/sql.md."""

    rows: tuple[dict[str, Any], ...]
    next: str | None
    """Give it as `after` for the next page."""


PAGING: Final = (
    Parameter("limit", "Rows a page.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}),
    Parameter("after", "The `next` of an earlier page."),
)
FILTERS: Final = tuple(
    Parameter(name, field.description or name, {"type": "string"})
    for name, field in listing.PlayFilter.model_fields.items()
)
OFFERS: Final[Sequence[Offer]] = (
    Offer("/v1/status", "What the daemon does, and why the last candidate was or was not promoted.", Status),
    *(
        Offer(f"/v1/{name}", f"{one_list.says} Columns of {one_list.view}.", Rows, PAGING)
        for name, one_list in LISTS.items()
    ),
    Offer("/v1/trajectories", "Plays that match, the newest first.", listing.Page, (*FILTERS, *PAGING)),
    Offer("/v1/trajectories/{id}", "One play, turn by turn, with its verdicts.", Shown),
    Offer(
        "/v1/events",
        "Events as they happen, each with its number: go on after one with `since` or the header Last-Event-ID.",
        Event,
        (Parameter("since", "The last number that was read.", {"type": "integer", "default": 0}),),
        "text/event-stream",
    ),
)


def routes(site: Site) -> list[Route]:
    """Offer it."""

    def status(_: Request) -> Response:
        return answer(status_of(site))

    def listed(request: Request) -> Response:
        asked = Paged.model_validate(dict(request.query_params))
        with site.ask() as ask:
            found, following = page(ask, LISTS[request.url.path.rpartition("/")[2]], asked.after, asked.limit)
        return answer(Rows(rows=tuple(found), next=following))

    def plays(request: Request) -> Response:
        asked, wanted = _split(dict(request.query_params))
        with site.ask() as ask:
            return answer(listing.find(ask, wanted, after=asked.after, limit=asked.limit))

    def play(request: Request) -> Response:
        return answer(site.play(request.path_params["id"]))

    def events(request: Request) -> Response:
        said = request.headers.get("last-event-id") or request.query_params.get("since", "0")
        since = Since.model_validate({"since": said}).since
        _events(site, since)  # what is wrong is an answer; later it would only end the stream
        return StreamingResponse(_stream(site, since), media_type="text/event-stream", headers=HEADERS)

    def described(_: Request) -> Response:
        return JSONResponse(document(OFFERS), headers=HEADERS)

    offered = {
        "/v1/status": status,
        **{f"/v1/{name}": listed for name in LISTS},
        "/v1/trajectories": plays,
        "/v1/trajectories/{id}": play,
        "/v1/events": events,
        "/openapi.json": described,
    }
    return [Route(path, answered(endpoint)) for path, endpoint in offered.items()]


def answer(told: Record) -> Response:
    """Give a record as JSON."""
    return JSONResponse({"schema": SCHEMA, **told.model_dump(mode="json")}, headers=HEADERS)


def _split(given: dict[str, str]) -> tuple[Paged, listing.PlayFilter]:
    paging = {name: given.pop(name) for name in Paged.model_fields if name in given}
    return Paged.model_validate(paging), listing.wanted(given)


def status_of(site: Site) -> Status:
    """Say what the daemon does."""
    now = site.progress
    with site.ask() as ask:
        return Status(
            running=now is not None,
            now=story.now(ask, now),
            why=story.why(ask),
            paused=story.paused(ask),
            progress=now,
        )


async def _stream(site: Site, since: int) -> AsyncIterator[str]:
    """Tell what happens, until the client goes away."""
    yield "retry: 3000\n\n"
    silent = 0
    while True:
        events = await run_in_threadpool(_events, site, since)
        for event in events:
            yield f"id: {event.id}\nevent: {_line(event.kind)}\ndata: {event.model_dump_json()}\n\n"
            since = event.id
        silent = 0 if events else silent + 1
        if silent and silent % SILENCE == 0:
            yield ": nothing new\n\n"
        if len(events) < MOST:
            await asyncio.sleep(POLL)


def _events(site: Site, since: int) -> list[Event]:
    with site.ask() as ask:
        events = rows(ask, "select id, at, kind, fields from event where id > ? order by id limit ?", [since, MOST])
    return [Event.model_validate({**row, "fields": json.loads(row["fields"])}) for row in events]


def _line(kind: str) -> str:
    return "".join(letter for letter in kind if letter.isprintable())
