"""What the dashboard shows: the story, the charts, the last rounds."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup

from loop.runtime.query import Query
from loop.types import Novelty
from loop.ui import overview, story
from loop.ui.charts import bars, lines, matrix, svg
from loop.ui.rows import rows
from loop.ui.site import Site

FEW: Final = 8
"""Rounds of the table."""
CHARTS: Final[Mapping[str, str]] = {
    "rates": "Pass rates of candidates by round",
    "curriculum": "The student's pass rate by backend and tier, in %",
    "transfer": "What rounds with much of a backend (rows) did to others (columns), in points",
    "mix": "Rows of each round's dataset, by source",
    "timeline": "Where the time of the last rounds went",
}


def context(site: Site, ask: Query) -> dict[str, Any]:
    """Gather it all."""
    now = site.progress
    champion = rows(ask, "select * from v_policies where standing = 'champion'")
    return {
        "now": story.now(ask, now),
        "why": story.why(ask),
        "progress": now,
        "paused": story.paused(ask),
        "champion": champion[0] if champion else None,
        "charts": {name: drawn(ask) for name, drawn in DRAWN.items()},
        "titles": CHARTS,
        "rounds": rows(ask, ROUNDS, [FEW]),
        "gates": rows(ask, GATES),
        "spend": overview.spend(ask),
        "waiting": overview.waiting(ask),
    }


ROUNDS: Final = """
with shown as (select * from round where id > 0 order by id desc limit ?), played as (
  select round, count(*) as plays, sum(case when purpose = 'train' and policy is not null then 1 else 0 end) as own,
    sum(case when purpose = 'train' and policy is not null and passed = 1 then 1 else 0 end) as wins
  from trajectory where round in (select id from shown) group by round
)
select h.id as round, h.state, h.reason, coalesce(n.plays, 0) as plays,
  case when n.own > 0 then cast(n.wins as double precision) / n.own end as student_pass_rate, d.rows as dataset_rows,
  p.decision, p.reason as decision_reason
from shown h left join played n on n.round = h.id left join dataset d on d.id = h.dataset
left join promotion p on p.round = h.id and p.candidate = h.candidate order by h.id desc
"""
GATES: Final = """select gate, verdict, difference, low, high, reason, round from v_gates g
 where judged = (select max(judged) from v_gates o where o.gate = g.gate) order by gate"""


def _rates(ask: Query) -> Markup | None:
    series = overview.rates(ask)
    ordered = {str(part): series[part] for part in Novelty if part in series}
    return lines.lines(ordered, CHARTS["rates"]) if ordered else None


def _heat(ask: Query) -> Markup | None:
    arms = rows(ask, "select backends, tier, pass_rate, plays from v_curriculum where plays > 0")
    return matrix.heat(overview.curriculum(arms), CHARTS["curriculum"]) if arms else None


def _transfer(ask: Query) -> Markup | None:
    cells = overview.transfer(ask)
    return matrix.transfer(cells, CHARTS["transfer"]) if cells else None


def _mix(ask: Query) -> Markup | None:
    mixes = overview.mixes(ask)
    return bars.mix(mixes, CHARTS["mix"]) if mixes else None


def _timeline(ask: Query) -> Markup | None:
    courses = [course for course in overview.courses(ask) if course.spans]
    return bars.timeline(courses, CHARTS["timeline"]) if courses else None


DRAWN: Final[Mapping[str, Callable[[Query], Markup | None]]] = {
    "rates": _rates,
    "curriculum": _heat,
    "transfer": _transfer,
    "mix": _mix,
    "timeline": _timeline,
}


def document(ask: Query, name: str) -> str:
    """Draw one chart as a file."""
    return svg.document(DRAWN[name](ask) or _nothing(name))


def _nothing(name: str) -> Markup:
    return svg.drawing(480, 40, CHARTS[name], svg.text("Nothing to draw yet.", 12, 24))
