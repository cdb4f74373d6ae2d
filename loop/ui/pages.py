"""The pages: a dashboard, lists of plays, one play, two plays side by side, charts as files."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from loop.runtime.query import Query
from loop.store.trajectories import Shown
from loop.types import Record, Tier
from loop.ui import api, dashboard, listing, problems
from loop.ui.actions import ActionForm, carried_out, token
from loop.ui.listing import PlayFilter, PlayOutcome
from loop.ui.reading import MEANINGS, TRACER, ShownMessage, spoken
from loop.ui.rendering import HEADERS, page
from loop.ui.rows import rows
from loop.ui.site import Site

FILES: Final[Mapping[str, str]] = {
    "app.css": "text/css",
    "chart.css": "text/css",
    "app.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
PLAYERS: Final = """select distinct player from (select player from trajectory order by stored desc limit 2000) newest
 order by player"""


class PairRequest(Record):
    """Which two plays stand side by side."""

    left: str = Field(min_length=1, max_length=100)
    right: str = Field(min_length=1, max_length=100)


class PageRequest(Record):
    """Where a list goes on, and whether only its rows are wanted."""

    after: str | None = Field(default=None, max_length=200)
    part: bool = False


class Pages:
    """The pages of one site."""

    def __init__(self, site: Site, key: str) -> None:
        """Look at a site.

        Args:
            site: what they show.
            key: the endpoint's, of which forms hold a proof.
        """
        self._site, self._key, self._form = site, key, token(key)

    def routes(self) -> list[Route]:
        """Offer them."""
        offered = {
            "/": self.dashboard,
            "/plays": self.plays,
            "/plays/{id}": self.play,
            "/plays/{id}/json": self.play_as_json,
            "/status": self.status,
            "/compare": self.compared,
            "/curriculum": self.curriculum,
            "/policies": self.policies,
            "/charts/{name}.svg": self.chart,
            "/static/{name}": self.file,
        }
        shown = [Route(path, problems.answered(endpoint)) for path, endpoint in offered.items()]
        return [*shown, Route("/do", self.act, methods=["POST"])]

    def dashboard(self, _: Request) -> Response:
        """Show what happens and what came of it."""
        if not self._site.begun:
            return page("empty.html", {"active": "overview"})
        with self._site.ask() as ask:
            return page(
                "overview.html", {**dashboard.context(self._site, ask), "form": self._form, "active": "overview"}
            )

    def plays(self, request: Request) -> Response:
        """List plays, or only the rows of the list."""
        given = dict(request.query_params)
        asked = PageRequest.model_validate(
            {name: given.pop(name) for name in PageRequest.model_fields if name in given}
        )
        wanted = listing.wanted(given)
        if not self._site.begun:
            return page("empty.html", {"active": "plays"})
        with self._site.ask() as ask:
            page_of_plays = listing.find(ask, wanted, after=asked.after)
            query = wanted.model_dump(mode="json", exclude_defaults=True)
            context = {"found": page_of_plays, "wanted": wanted, "query": query, "active": "plays"}
            if asked.part:
                return page("rows.html", context)
            return page("plays.html", {**context, "choices": _choices(ask)})

    def play(self, request: Request) -> Response:
        """Show one play, and who else played its task."""
        shown = self._site.play(request.path_params["id"])
        with self._site.ask() as ask:
            same = listing.find(ask, PlayFilter(task=shown.trajectory.task), limit=20).rows
        others = [play for play in same if play.trajectory != shown.id]
        return page("play.html", {**_read(shown), "others": others, "meanings": MEANINGS, "active": "plays"})

    def play_as_json(self, request: Request) -> Response:
        """Give a play as the API does."""
        return api.answer(self._site.play(request.path_params["id"]))

    def status(self, _: Request) -> Response:
        """Say what the daemon does, for the dashboard to keep itself fresh."""
        return api.answer(api.status_of(self._site))

    def compared(self, request: Request) -> Response:
        """Show two plays side by side."""
        asked = PairRequest.model_validate(dict(request.query_params))
        sides = [_read(self._site.play(identity)) for identity in (asked.left, asked.right)]
        traced = any(side["traced"] for side in sides)
        return page("compare.html", {"sides": sides, "traced": traced, "meanings": MEANINGS, "active": "plays"})

    def curriculum(self, _: Request) -> Response:
        """List the arms."""
        arms = self._rows("select * from v_curriculum order by arm")
        return page("curriculum.html", {"arms": arms, "active": "curriculum", "form": self._form})

    def policies(self, _: Request) -> Response:
        """List policies and what gates said of them."""
        context = {
            "policies": self._rows("select * from v_policies order by added desc limit 100"),
            "gates": self._rows("select * from v_gates order by judged desc limit 60"),
        }
        return page("policies.html", {**context, "active": "policies", "form": self._form})

    def chart(self, request: Request) -> Response:
        """Give a chart as a file."""
        name = request.path_params["name"]
        if name not in dashboard.DRAWN:
            raise HTTPException(404, f"there is no such chart; there are {', '.join(dashboard.DRAWN)}")
        with self._site.ask() as ask:
            drawn = dashboard.document(ask, name)
        headers = {"content-disposition": f'attachment; filename="loopd-{name}.svg"'}
        return Response(drawn, media_type="image/svg+xml", headers={**HEADERS, **headers})

    def file(self, request: Request) -> Response:
        """Give a style sheet, a script, the icon."""
        name = request.path_params["name"]
        if name not in FILES:
            raise HTTPException(404, "there is no such file")
        headers = {**HEADERS, "cache-control": "no-cache"}
        return Response((files("loop.ui") / "static" / name).read_bytes(), media_type=FILES[name], headers=headers)

    async def act(self, request: Request) -> Response:
        """Ask once more before anything is done; then do it and go back."""
        body = await request.body()
        return await run_in_threadpool(problems.answered(lambda _: self._done(body)), request)

    def _done(self, body: bytes) -> Response:
        form = ActionForm.of(body)
        if not form.sure:
            return page("confirm.html", {"asked": form, "form": self._form, "active": ""})
        carried_out(self._site, self._key, form)
        return RedirectResponse(form.back, 303, headers=HEADERS)

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        if not self._site.begun:
            return []
        with self._site.ask() as ask:
            return rows(ask, statement)


def _choices(ask: Query) -> dict[str, list[str]]:
    arms = rows(ask, "select distinct backends, family from v_curriculum")
    return {
        "backend": sorted({name for arm in arms for name in arm["backends"].split("+")}),
        "family": sorted({arm["family"] for arm in arms}),
        "tier": [*Tier],
        "verdict": [*PlayOutcome],
        "player": [row["player"] for row in rows(ask, PLAYERS)],
    }


def _read(shown: Shown) -> dict[str, Any]:
    said: list[ShownMessage] = list(spoken(shown))
    return {"shown": shown, "said": said, "turns": sum(word.begins for word in said), "traced": _traced(shown)}


def _traced(shown: Shown) -> bool:
    """Whether it is known where its values came from."""
    return any(verdict.checker == TRACER for verdict in shown.verdicts)
