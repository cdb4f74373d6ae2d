"""Before a round: can anything be gained? If not, draw larger suites where that helps, and rest where nothing does."""

import time
from collections.abc import Mapping
from typing import Final

import structlog

from loop.gates.outlook import GateOutlook, Outlook, OutlookDecision, OutlookStep, outlook, view
from loop.parts import Loop
from loop.stages.evaluation import fingerprint
from loop.stages.gating import entries_of
from loop.stages.soundness import take_stock
from loop.types import RESTS, Gate, Round, RoundState, Score
from task_generators.suites import grown, may_grow
from task_generators.suites import suite as suite_named

log = structlog.get_logger()
EVERY: Final = 5.0
"""Seconds between two looks for a change."""


def course(loop: Loop, rnd: Round) -> OutlookDecision:
    """Say what a new round does, by what a flawless candidate could gain; larger suites are drawn here."""
    times = {gate.name: loop.store.suites.grown(gate.suite) for gate in loop.gates}
    decision = _course(loop, times)
    log.info("outlook", step=str(decision.step), reason=decision.reason)
    for gate in loop.gates if decision.step is OutlookStep.GROW else ():
        if decision.times[gate.name] > times[gate.name]:
            _grow(loop, rnd, gate, decision.times[gate.name], decision.reason)
    return decision


def _course(loop: Loop, times: Mapping[str, int]) -> OutlookDecision:
    outlooks = _foresee(loop, times)
    if outlooks.open or not loop.config.gating.rest:
        return OutlookDecision(step=OutlookStep.TRAIN, reason=outlooks.reason, times=times)
    larger = _larger(loop, times)
    if larger is None:
        return OutlookDecision(step=OutlookStep.REST, reason=f"{RESTS}{outlooks.reason}", times=times)
    drawn = ", ".join(f"{name} {size} times" for name, size in larger.items() if size > times[name])
    return OutlookDecision(
        step=OutlookStep.GROW, reason=f"draws larger suites ({drawn}): {outlooks.reason}", times=larger
    )


def until_changed(loop: Loop, rnd: Round) -> None:
    """Wait after a round that rested, until there is another champion or a candidate; others do not wait.

    Raises:
        Stopped: somebody asked to stop.
    """
    if rnd.state is not RoundState.DONE or not (rnd.reason or "").startswith(RESTS):
        return
    champion = loop.champion
    loop.board.step("resting: nothing can be gained", total=0)
    with loop.pause():
        while loop.champion == champion and loop.store.rounds.unfinished() is None:
            with loop.stop.waiting():
                time.sleep(EVERY)


def _foresee(loop: Loop, times: Mapping[str, int]) -> Outlook:
    """Look ahead with suites of these sizes."""
    return outlook([_view(loop, gate, times[gate.name]) for gate in loop.gates])


def _view(loop: Loop, gate: Gate, times: int) -> GateOutlook:
    entries = entries_of(loop, suite_named(grown(gate.suite, times)))
    judging = gate.attempted(loop.store.promotions.attempts())
    return view(judging, entries, _scores(loop, gate), loop.config.gating.max_samples)


def _scores(loop: Loop, gate: Gate) -> list[Score]:
    """Gather the champion's scores; where the suite has grown, also those of when it was smaller."""
    by_task: dict[tuple[str, int], Score] = {}
    for times in range(1, loop.store.suites.grown(gate.suite) + 1):
        suite = suite_named(grown(gate.suite, times))
        scores = loop.store.suites.scores(loop.champion.id, suite.id, fingerprint(loop, suite))
        by_task |= {(score.task, score.sample): score for score in scores}
    return list(by_task.values())


def _larger(loop: Loop, times: Mapping[str, int]) -> dict[str, int] | None:
    """Find the smallest suites with which a flawless candidate could be promoted; None where no size allowed is enough.

    The tasks to come are taken to go as those of their arms went.
    """
    able = {gate.name for gate in loop.gates if may_grow(gate.suite)}
    for size in range(2, loop.config.gating.most_times + 1):
        tried = {name: max(now, size) if name in able else now for name, now in times.items()}
        if tried != times and _foresee(loop, tried).open:
            return tried
    return None


def _grow(loop: Loop, rnd: Round, gate: Gate, times: int, reason: str) -> None:
    loop.store.suites.grow(gate.suite, times, rnd, reason)
    take_stock(loop.store, loop.suite_of(gate), loop.checkers, loop.config.rule)
    loop.store.events.record("suite.grown", suite=gate.suite, times=times, round=rnd.id)
    log.info("suite_grown", suite=gate.suite, times=times, reason=reason)
