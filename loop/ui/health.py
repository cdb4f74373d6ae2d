"""Probes, and figures for Prometheus: `/healthz`, `/readyz`, `/metrics`.

No scrape costs more than a few look-ups by an index: what would need a walk through all plays is taken from the
curriculum, which counts them as they are judged, and what is summed over calls is kept for a while. Nor does one wait
for the store: where that is locked or away, the last figures are given with their age.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loop.errors import LoopdError
from loop.runtime.query import Query
from loop.types import RoundState
from loop.ui.problems import answered
from loop.ui.rendering import HEADERS
from loop.ui.rows import rows
from loop.ui.site import Site

KEPT: Final = 30.0
"""Seconds for which sums over teachers' calls are kept."""
PATIENCE: Final = 0.25
"""Seconds that a scrape gives the store; a few look-ups take a tenth of that."""
FIRST: Final = 2.0
"""The same while there are no figures yet."""
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


def routes(site: Site) -> list[Route]:
    """Offer them."""
    figures = Figures(site)

    def alive(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    def ready(_: Request) -> Response:
        state = {"store": _store(site), "daemon": "running" if site.progress else "not running"}
        return JSONResponse(state, status_code=200 if state["store"] == "ok" else 503, headers=HEADERS)

    def scraped(_: Request) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(figures)
        return Response(generate_latest(registry), media_type=TEXT, headers=HEADERS)

    offered = {"/healthz": alive, "/readyz": ready, "/metrics": scraped}
    return [Route(path, answered(endpoint)) for path, endpoint in offered.items()]


def _store(site: Site) -> str:
    try:
        with site.ask() as ask:
            ask("select 1 as one")
    except LoopdError as error:
        return str(error)
    return "ok"


PLAYS: Final = """select tier, sum(wins) as wins, sum(plays) as plays, sum(teacher_plays) as teacher_plays
 from v_curriculum group by tier"""
OWED: Final = """select purpose, state, count(*) as plays from play where round = (
 select max(id) from round where state <> 'sample' or attempts > 0)
 group by purpose, state"""
CALLS: Final = """select teacher, coalesce(outcome, state) as outcome, sum(requests) as requests,
 sum(prompt_tokens) as prompt, sum(cached_tokens) as cached, sum(completion_tokens) as completion, sum(cost) as cost
 from teacher_call group by teacher, coalesce(outcome, state)"""
GATES: Final = """select gate, champion_rate, candidate_rate, low from gate_result g
 where judged = (select max(judged) from gate_result o where o.gate = g.gate)"""
DECISIONS: Final = "select decision, count(*) as decisions from promotion group by decision"
STEP: Final = "select loss, tokens_per_second, peak_gb from v_training order by round desc, step desc limit 1"
LAST: Final = """select 'play' as phase, max(stored) as at from trajectory union all
 select 'training', max(at) from training_step union all select 'gate', max(judged) from gate_result union all
 select 'round', max(changed) from round where state = 'done'"""


class Answered(NamedTuple):
    """What the store answered, and when."""

    at: float
    """By the monotonic clock."""
    families: list[Metric]


class Stored:
    """The figures of the store, asked for by one thread at a time: whoever scrapes does not wait for its end."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()
        self._last: Answered | None = None
        self._up = False
        self._calls: tuple[float, list[dict[str, Any]]] = (-KEPT, [])

    def families(self) -> Iterator[Metric]:
        """Give the figures as they are now, or as they were last."""
        ended = self._begin()
        up = ended.wait(PATIENCE if self._last else FIRST) and self._up
        yield GaugeMetricFamily("loopd_store_up", "Whether the store answers.", int(up))
        if (last := self._last) is not None:
            age = time.monotonic() - last.at
            yield GaugeMetricFamily("loopd_store_age_seconds", "Since the store answered.", age)
            yield from last.families

    def _begin(self) -> threading.Event:
        """Ask, where nobody does; says when that has ended."""
        with self._lock:
            if self._ended.is_set():
                self._ended = threading.Event()
                threading.Thread(target=self._ask, args=(self._ended,), name="metrics", daemon=True).start()
            return self._ended

    def _ask(self, ended: threading.Event) -> None:
        try:
            with self._site.ask() as ask:
                asked = (_played, _owed, self._paid, _gated, _decided, _trained, _last)
                self._last = Answered(time.monotonic(), [family for each in asked for family in each(ask)])
            self._up = True
        except LoopdError:
            self._up = False
        finally:
            ended.set()

    def _paid(self, ask: Query) -> Iterator[Metric]:
        asked, calls = self._calls
        if time.monotonic() - asked > KEPT:
            calls = rows(ask, CALLS)
            self._calls = time.monotonic(), calls
        requests = CounterMetricFamily(
            "loopd_teacher_requests", "Requests to teachers.", labels=["provider", "outcome"]
        )
        tokens = CounterMetricFamily("loopd_teacher_tokens", "Teachers' tokens.", labels=["provider", "direction"])
        cost = CounterMetricFamily("loopd_teacher_cost_usd", "What teachers cost.", labels=["provider"])
        for teacher in sorted({row["teacher"] for row in calls}):
            mine = [row for row in calls if row["teacher"] == teacher]
            for row in mine:
                requests.add_metric([teacher, row["outcome"]], float(row["requests"]))
            for direction in ("prompt", "cached", "completion"):
                tokens.add_metric([teacher, direction], sum(float(row[direction]) for row in mine))
            cost.add_metric([teacher], sum(float(row["cost"]) for row in mine))
        yield from (requests, tokens, cost)


class Figures(Collector):
    """Everything that is measured."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stored = Stored(site)

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        yield InfoMetricFamily("loopd_build", "This loopd.", {"version": metadata.version("loopd-rest")})
        yield from self._daemon()
        yield from _disk(self._site.paths.data)
        yield from self._stored.families()

    def _daemon(self) -> Iterator[Metric]:
        now = self._site.progress
        yield GaugeMetricFamily("loopd_up", "Whether the daemon runs.", int(now is not None))
        yield GaugeMetricFamily("loopd_round", "The round that runs.", now.round if now else 0)
        stage = GaugeMetricFamily("loopd_stage", "The stage that runs is 1.", labels=["stage"])
        for state in RoundState:
            stage.add_metric([state.value], int(now is not None and now.stage == state))
        yield stage
        shut = now is not None and bool(now.window)
        yield GaugeMetricFamily("loopd_window_open", "Whether the loop may use the GPU.", int(not shut))
        if now is not None and now.foreseen_gb is not None:
            what = "What the training expects MLX to hold."
            yield GaugeMetricFamily("loopd_gpu_memory_foreseen_bytes", what, 1e9 * now.foreseen_gb)
        if now is not None and now.opens is not None:
            what = "When the clock lets the loop use the GPU again."
            yield GaugeMetricFamily("loopd_window_opens_timestamp_seconds", what, now.opens)


def _played(ask: Query) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "loopd_trajectories", "Judged training plays of the curriculum.", labels=["source", "tier", "verdict"]
    )
    for row in rows(ask, PLAYS):
        family.add_metric(["student", row["tier"], "accepted"], float(row["wins"]))
        family.add_metric(["student", row["tier"], "refused"], float(row["plays"] - row["wins"]))
        family.add_metric(["teacher", row["tier"], "any"], float(row["teacher_plays"]))
    yield family


def _owed(ask: Query) -> Iterator[Metric]:
    family = GaugeMetricFamily("loopd_jobs", "Plays of the latest round.", labels=["kind", "state"])
    for row in rows(ask, OWED):
        family.add_metric([row["purpose"], row["state"]], row["plays"])
    yield family


def _gated(ask: Query) -> Iterator[Metric]:
    ratio = GaugeMetricFamily("loopd_gate_score_ratio", "Pass rate at the latest gate.", labels=["gate", "axis"])
    for row in rows(ask, GATES):
        ratio.add_metric([row["gate"], "champion"], row["champion_rate"])
        ratio.add_metric([row["gate"], "candidate"], row["candidate_rate"])
        ratio.add_metric([row["gate"], "low"], row["low"])
    yield ratio
    paused = GaugeMetricFamily("loopd_gate_paused", "Gates that are paused.", labels=["gate"])
    for row in rows(ask, "select gate from gate_pause"):
        paused.add_metric([row["gate"]], 1)
    yield paused


def _decided(ask: Query) -> Iterator[Metric]:
    family = CounterMetricFamily("loopd_promotions", "Decisions about who is champion.", labels=["outcome"])
    for row in rows(ask, DECISIONS):
        family.add_metric([row["decision"]], row["decisions"])
    yield family


def _trained(ask: Query) -> Iterator[Metric]:
    for row in rows(ask, STEP):
        yield GaugeMetricFamily("loopd_train_loss", "Loss of the latest step.", row["loss"])
        rate = row["tokens_per_second"] or 0
        yield GaugeMetricFamily("loopd_train_tokens_per_second", "Tokens a second of the latest training.", rate)
        peak = GaugeMetricFamily("loopd_gpu_memory_bytes", "Most memory that MLX held.", labels=["kind"])
        peak.add_metric(["peak"], 1e9 * (row["peak_gb"] or 0))
        yield peak


def _last(ask: Query) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "loopd_last_success_timestamp_seconds", "When each kind of work last came to something.", labels=["phase"]
    )
    for row in rows(ask, LAST):
        if row["at"]:
            family.add_metric([row["phase"]], row["at"] / 1e6)
    yield family


def _disk(data: Path) -> Iterator[Metric]:
    for name, file in (("loopd_db_bytes", "loopd.db"), ("loopd_wal_bytes", "loopd.db-wal")):
        path = data / file
        if path.is_file():
            yield GaugeMetricFamily(name, f"Size of {file}.", path.stat().st_size)
    if data.is_dir():
        free = shutil.disk_usage(data).free
        yield GaugeMetricFamily("loopd_disk_free_bytes", "Free space where the data is.", free)
