"""The whole program. A round is a row; a stage moves it on.

Every stage asks the store what is still owed, does that, and writes each result as it arrives. So the daemon can be
killed anywhere and started again on the same data: it goes on where it was, and ends with the same decision.
"""

from collections.abc import Callable, Mapping

import structlog

from loop.gates.outlook import OutlookStep
from loop.parts import Loop
from loop.stages import (
    ahead,
    auditing,
    checking,
    collecting,
    gating,
    proposing,
    refreshing,
    resting,
    room,
    routing,
    sampling,
    training,
)
from loop.types import Purpose, Round, RoundState, Transition

log = structlog.get_logger()


def sample(loop: Loop, rnd: Round) -> Transition:
    """Choose tasks at the edge of the student's skill, over all backends, and owe their plays.

    A round that is due to learn from corrections plays nothing before it trains. Where not even a flawless candidate
    could be promoted, larger suites are drawn; where that is no help either, the round ends here and says so.
    """
    if loop.store.plays.planned(rnd):
        return Transition(state=RoundState.COLLECT)
    if refreshing.due(loop):
        ahead.give_up(loop, rnd)
        refreshing.begin(loop, rnd)
        return Transition(state=RoundState.TRAIN, reason="learns from corrections")
    course = resting.course(loop, rnd)
    if course.step is OutlookStep.REST:
        ahead.give_up(loop, rnd)
        return Transition(state=RoundState.DONE, reason=course.reason)
    chosen = sampling.plan(loop, rnd)
    loop.store.plays.owe(rnd, chosen.tasks, chosen.plays)
    return Transition(state=RoundState.COLLECT, reason=course.reason if course.step is OutlookStep.GROW else None)


def collect(loop: Loop, rnd: Round) -> Transition:
    """Play what is owed, student and teachers alike; keep every trajectory the moment it arrives."""
    for play, trajectory in collecting.owed(loop, rnd, Purpose.TRAIN):
        loop.store.plays.finish(play, trajectory)
    return Transition(state=RoundState.CHECK)


def check(loop: Loop, rnd: Round) -> Transition:
    """Give every trajectory every missing verdict; ask the teachers where the student found no way; audit some wins."""
    checking.judge_missing(loop, rnd)
    more = sampling.more(loop, rnd)
    loop.store.plays.owe(rnd, more.tasks, more.plays)
    if loop.store.plays.owed(rnd, Purpose.TRAIN):
        return Transition(state=RoundState.COLLECT)
    auditing.audit(loop, rnd)
    sampling.learn(loop, rnd)
    return Transition(state=RoundState.TRAIN)


def train(loop: Loop, rnd: Round) -> Transition:
    """Fit one adapter to the base model, on accepted trajectories by the rules of the mix.

    Teachers and checkers need no GPU: meanwhile they work for the next round.
    """
    dataset = loop.store.datasets.of(rnd) or loop.store.datasets.save(rnd, training.choose(loop, rnd))
    if len(dataset.rows) < loop.config.training.min_rows:
        return Transition(state=RoundState.DONE, reason=training.too_few(dataset, loop.config.training.min_rows))
    if not loop.store.policies.candidate(rnd):
        with ahead.teaching(loop, rnd):
            training.fit(loop, rnd, dataset)
    return Transition(state=RoundState.GATE)


def gate(loop: Loop, rnd: Round) -> Transition:
    """Measure candidate beside champion at every gate, also after one has failed: every number is wanted."""
    for result in gating.judge_candidate(loop, rnd):
        loop.store.gates.save(rnd, result)
    refreshing.measure_both(loop, rnd)
    return Transition(state=RoundState.PROMOTE)


def promote(loop: Loop, rnd: Round) -> Transition:
    """Crown the candidate only if depth and breadth both hold: one transaction, or the reason why not."""
    if gating.outdated(loop, rnd):
        gate(loop, rnd)
    promotion = gating.settle(loop, rnd)
    if promotion.promoted:
        sampling.bequeath(loop)
    gating.look_elsewhere(loop)
    gating.report(loop, rnd)
    return Transition(state=RoundState.DONE, reason=promotion.reason)


STAGES: Mapping[RoundState, Callable[[Loop, Round], Transition]] = {
    RoundState.SAMPLE: sample,
    RoundState.COLLECT: collect,
    RoundState.CHECK: check,
    RoundState.TRAIN: train,
    RoundState.GATE: gate,
    RoundState.PROMOTE: promote,
}


def run(loop: Loop) -> None:
    """Carry rounds through their stages until asked to stop, or until as many have ended as the configuration says."""
    with loop.awake:
        proposing.free_wins(loop)
        reconsider(loop)
        routing.tend(loop)
        while not loop.enough():
            turn(loop)


def turn(loop: Loop) -> None:
    """Carry one round through its stages, and see what is to be done before the next one."""
    room.tidy(loop)
    rnd = loop.store.rounds.open(loop.config.digest, loop.config.seed)
    while rnd.state in STAGES:
        rnd = step(loop, rnd)
    loop.ended(rnd)
    reconsider(loop)
    routing.tend(loop)
    if not loop.enough():
        resting.until_changed(loop, rnd)


def reconsider(loop: Loop) -> None:
    """Judge the candidates that were left waiting while a gate was paused, beside whoever is champion now."""
    gating.look_elsewhere(loop)
    for rnd in () if loop.store.gates.paused() else loop.store.promotions.queued():
        log.info("candidate_reconsidered", round=rnd.id)
        gate(loop, rnd)
        promote(loop, rnd)


def step(loop: Loop, rnd: Round) -> Round:
    """Enter one stage and move the round on."""
    loop.stop.check()
    room.wait(loop)
    with structlog.contextvars.bound_contextvars(round=rnd.id, stage=str(rnd.state)):
        rnd = loop.store.rounds.enter(rnd)
        if rnd.attempts > loop.config.max_attempts:
            return loop.store.rounds.advance(
                rnd, RoundState.FAILED, f"{rnd.state} was entered {rnd.attempts} times in vain"
            )
        loop.board.enter(rnd, loop.champion.shown)
        log.info("stage_entered", attempts=rnd.attempts)
        before = loop.time.spent
        with loop.tracing.stage(rnd):
            move = STAGES[rnd.state](loop, rnd)
        log.info("stage_left", next=str(move.state), reason=move.reason)
        return loop.store.rounds.advance(rnd, move.state, move.reason, loop.time.spent.since(before))
