"""The figures of the dashboard, each from one bounded query."""

import time
from collections.abc import Sequence
from itertools import groupby
from math import sqrt
from typing import Final

from loop.runtime.query import Query
from loop.types import Novelty, Record
from loop.ui.rows import Row, rows

ROUNDS: Final = 40
"""Rounds that charts show."""
Z: Final = 1.96
"""Of a two-sided 95 % interval."""


class Point(Record):
    """One policy's rate on one part of the suites."""

    round: int
    rate: float
    low: float
    high: float
    tasks: int
    promoted: bool


class Cell(Record):
    """One backend and tier of the curriculum."""

    rate: float
    plays: int
    arms: int


class Moved(Record):
    """What training on one backend did to another, over all rounds shown."""

    difference: float
    """Mean over rounds, each weighted by the share of its rows that are of the trained backend."""
    rounds: int


class TimeSpan(Record):
    """Some of a round's time. Seconds since the round began."""

    what: str
    start: float
    seconds: float


class RoundTimeline(Record):
    """How a round's time went by."""

    round: int
    seconds: float
    spans: tuple[TimeSpan, ...]
    idle: float
    """Share of it in which nothing was played and nothing trained."""


RATES: Final = """
with shown as (
  select r.id as round, r.candidate as policy, p.decision from round r
  left join promotion p on p.round = r.id and p.candidate = r.candidate
  where r.candidate is not null order by r.id desc limit ?
), latest as (
  select c.policy, c.suite, c.fingerprint from (
    select s.policy, s.suite, s.fingerprint, max(s.scored) as scored from score s
    where s.policy in (select policy from shown) group by s.policy, s.suite, s.fingerprint
  ) c where not exists (
    select 1 from score o where o.policy = c.policy and o.suite = c.suite and o.scored > c.scored
    and o.fingerprint <> c.fingerprint)
), of_task as (
  select s.policy, s.task, avg(s.passed) as rate from score s
  join latest l on l.policy = s.policy and l.suite = s.suite and l.fingerprint = s.fingerprint
  where not exists (select 1 from defect f where f.task = s.task and f.kind = 'unsound')
  group by s.policy, s.task
)
select h.round, h.decision, k.novelty, count(*) as tasks, cast(avg(o.rate) as double precision) as rate
from shown h join of_task o on o.policy = h.policy join task k on k.id = o.task
where k.novelty is not null group by h.round, h.decision, k.novelty order by h.round
"""


def rates(ask: Query) -> dict[str, list[Point]]:
    """Give each candidate's pass rate on tasks of known words, new words and unseen families, with its interval."""
    lines: dict[str, list[Point]] = {part.value: [] for part in Novelty}
    for row in rows(ask, RATES, [ROUNDS]):
        low, high = wilson(row["rate"], row["tasks"])
        point = Point(
            round=row["round"], rate=row["rate"], low=low, high=high, tasks=row["tasks"],
            promoted=row["decision"] == "promoted",
        )  # fmt: skip
        lines.setdefault(row["novelty"], []).append(point)
    return {part: points for part, points in lines.items() if points}


def wilson(rate: float, count: int) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a rate (E. B. Wilson, 1927), taking each task as one trial."""
    if not count:
        return 0.0, 1.0
    middle = (rate + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z / (1 + Z * Z / count) * sqrt(rate * (1 - rate) / count + Z * Z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def curriculum(arms: Sequence[Row]) -> dict[tuple[str, str], Cell]:
    """Give the student's mean pass rate by backend and tier; an arm of two backends counts for both."""
    parts = sorted(
        (backend, arm["tier"], arm["pass_rate"], arm["plays"]) for arm in arms for backend in arm["backends"].split("+")
    )
    cells = {}
    for where, group in groupby(parts, key=lambda part: (part[0], part[1])):
        inside = list(group)
        mean = sum(rate for *_, rate, _ in inside) / len(inside)
        cells[where] = Cell(rate=mean, plays=sum(plays for *_, plays in inside), arms=len(inside))
    return cells


TRANSFER: Final = """select round, trained_backend, evaluated_backend, trained_share, tasks, difference
 from v_transfer where difference is not null and trained_share > 0
 and round in (select id from round where candidate is not null order by id desc limit ?)"""


def transfer(ask: Query) -> dict[tuple[str, str], Moved]:
    """Give what training on a backend did to another.

    A candidate is trained on several backends at once. Rounds with different mixes tell them apart: each counts by the
    share of its rows that are of the trained backend, and its suites by their tasks.
    """
    differences = rows(ask, TRANSFER, [ROUNDS], most=50_000)
    differences.sort(key=lambda row: (row["trained_backend"], row["evaluated_backend"]))
    table = {}
    for where, group in groupby(differences, key=lambda row: (row["trained_backend"], row["evaluated_backend"])):
        inside = list(group)
        weights = [row["trained_share"] * row["tasks"] for row in inside]
        moved = sum(weight * row["difference"] for weight, row in zip(weights, inside, strict=True))
        table[where] = Moved(difference=moved / sum(weights), rounds=len({row["round"] for row in inside}))
    return table


MIX: Final = """
with shown as (select id, dataset from round where id > 0 and dataset is not null order by id desc limit ?)
select h.id as round, case when x.arm = 'correction' then 'corrections' when x.trajectory is not null then 'traces'
  when t.policy is not null then 'student' else 'teachers' end as source, count(*) as rows
from shown h join dataset_row w on w.dataset = h.dataset join trajectory t on t.id = w.trajectory
left join trace x on x.trajectory = t.id
group by h.id, 2 order by h.id
"""


def mixes(ask: Query, most: int = 16) -> list[dict[str, int]]:
    """Give how many rows of each source the last rounds trained on, the oldest first."""
    datasets = rows(ask, MIX, [most])
    return [
        {"round": number, **{row["source"]: row["rows"] for row in group}}
        for number, group in groupby(datasets, key=lambda row: row["round"])
    ]


SPEND: Final = """select teacher, sum(calls) as calls, sum(calls_ok) as answered, sum(calls_open) as open,
 sum(prompt_tokens) as prompt_tokens, sum(cached_tokens) as cached_tokens, sum(completion_tokens) as completion_tokens,
 cast(sum(cost_usd) as double precision) as cost_usd,
 cast(sum(case when day = (select max(day) from v_spend) then cost_usd else 0 end) as double precision) as last_day
 from v_spend group by teacher order by teacher"""
WAITING: Final = "select credential, until, reason from quota where until > ? order by credential"


def spend(ask: Query) -> list[Row]:
    """Give what each teacher was asked and what it cost."""
    return rows(ask, SPEND)


def waiting(ask: Query) -> list[Row]:
    """Give the credentials that a provider asked to wait, and until when, in seconds since the epoch."""
    return rows(ask, WAITING, [time.time()])


TIMES: Final = """
with shown as (select id, started, changed from round where id > 0 order by id desc limit ?),
spans as (
  select t.round, t.purpose as what, min(t.started) as first, max(t.stored) as last from trajectory t
  where t.round in (select id from shown) and t.started > 0 group by t.round, t.purpose
  union all
  select g.round, 'training', min(g.at), max(g.at) from training_step g
  where g.round in (select id from shown) group by g.round
)
select h.id as round, h.started, h.changed, s.what, s.first, s.last from shown h left join spans s on s.round = h.id
order by h.id, s.first
"""
CALLED: Final = {"train": "plays", "gate": "gates", "training": "training"}


def courses(ask: Query, most: int = 12) -> list[RoundTimeline]:
    """Give how the time of the last rounds went by, from the first to the last of each kind of work."""
    times = rows(ask, TIMES, [most])
    return [_course(number, list(group)) for number, group in groupby(times, key=lambda row: row["round"])]


def _course(number: int, times: list[Row]) -> RoundTimeline:
    began, ended = times[0]["started"], max([times[0]["changed"], *(row["last"] for row in times if row["last"])])
    spans = [
        TimeSpan(what=CALLED[row["what"]], start=max(0, row["first"] - began) / 1e6, seconds=_long(row, began))
        for row in times
        if row["what"]
    ]
    whole = max(ended - began, 1) / 1e6
    return RoundTimeline(round=number, seconds=whole, spans=tuple(spans), idle=max(0.0, 1 - _covered(spans) / whole))


def _long(row: Row, began: int) -> float:
    return float(max(0, row["last"] - max(row["first"], began)) / 1e6)


def _covered(spans: Sequence[TimeSpan]) -> float:
    """Add up what spans cover; where two overlap, once."""
    covered, end = 0.0, 0.0
    for span in sorted(spans, key=lambda span: span.start):
        last = span.start + span.seconds
        covered += max(0.0, last - max(span.start, end))
        end = max(end, last)
    return covered
