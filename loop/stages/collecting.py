"""Carry out owed plays: send them to the pool, serve the student while somebody needs it, survive its death."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Final

import structlog

from loop import plugins
from loop.errors import FailureKind, ProviderError
from loop.parts import Loop
from loop.routing.topics import Example
from loop.runtime.gpu import addressed
from loop.stages import room, window
from loop.types import Part, Play, Purpose, Round, Suite, Trajectory
from task_generators.suites import twin

log = structlog.get_logger()
RESTARTS: Final = 3
"""Times that a model server may die without one play finished before the daemon gives up."""


def owed(loop: Loop, rnd: Round, purpose: Purpose, suites: Iterable[Suite] = ()) -> Iterator[tuple[Play, Trajectory]]:
    """Play what a round owes for one purpose, until nothing is owed; yields each play as it ends.

    `suites` are those that a gate's plays belong to: they say who may stop a play that has failed.

    The student's plays are grouped by who speaks in them, so that each policy is served once; in those of a routed set
    that is one of its members. Teachers' plays need no server, and go on while the student's wait for the window.

    Raises:
        ProviderError: the model server died again and again without finishing a play.
    """
    speaks = _speakers(loop)
    stops: dict[str | None, tuple[Part, ...]] = {suite.id: referees(loop, suite) for suite in suites}
    stops[None], barren = referees(loop), 0
    while plays := [
        play.model_copy(update={"referees": stops.get(play.suite, ())}) for play in loop.store.plays.owed(rnd, purpose)
    ]:
        room.wait(loop)
        done, total = loop.store.plays.progress(rnd, purpose)
        first, meanwhile = window.first(loop, plays)
        speaker = speaks(first)
        loop.board.step(_doing(loop, first.policy), total=total, done=done)
        try:
            mine = longest_first(play for play in plays if speaks(play) == speaker)
            with loop.time.work():
                yield from _together(loop, mine, speaker, meanwhile=meanwhile)
            barren = 0
        except ProviderError as error:
            barren = barren + 1 if loop.store.plays.progress(rnd, purpose)[0] == done else 0
            log.warning("model_server_lost", message=str(error), barren=barren)
            if error.kind is not FailureKind.LOST or barren > RESTARTS:
                raise


def longest_first(plays: Iterable[Play]) -> list[Play]:
    """Begin with what has most steps: a long play begun last would be answered alone, with nobody to share a pass."""
    return sorted(plays, key=lambda play: -len(play.task.plan))


def _doing(loop: Loop, policy: str | None) -> str:
    if policy is None:
        return "teachers play"
    return "champion plays" if policy == loop.champion.id else "candidate plays"


def _speakers(loop: Loop) -> Callable[[Play], str | None]:
    """Say who speaks in a play, by `Policy.id`; None for a teacher."""
    policies, known = cache(loop.store.policies.get), dict[str, str]()

    def speaks(play: Play) -> str | None:
        if play.policy is None:
            return None
        if play.id not in known:
            known[play.id] = loop.speakers.of(policies(play.policy), Example.of(play.task))[0].id
        return known[play.id]

    return speaks


def _together(
    loop: Loop, plays: Sequence[Play], speaker: str | None, *, meanwhile: bool
) -> Iterator[tuple[Play, Trajectory]]:
    if speaker is None:
        yield from _through_pool(loop, window.while_closed(loop, plays) if meanwhile else plays)
        return
    with loop.serving(loop.store.policies.get(speaker)) as served:
        here = [play.model_copy(update={"player": addressed(play.player, served, str(play.policy))}) for play in plays]
        for play, trajectory in _through_pool(loop, window.while_open(loop, here)):
            if lost(trajectory):
                served.check()
            yield play, trajectory


def _through_pool(loop: Loop, plays: Iterable[Play]) -> Iterator[tuple[Play, Trajectory]]:
    for play, trajectory in loop.stop.each(loop.pool.run(loop.cashier.admitted(room.while_there_is(loop, plays)))):
        loop.cashier.settle(play, trajectory)
        loop.tracing.played(play, trajectory)
        if not lost(trajectory):
            loop.board.advance()
        yield play, trajectory


def lost(trajectory: Trajectory) -> bool:
    """Whether the play ended because its provider went away."""
    return trajectory.failure is not None and trajectory.failure.kind is FailureKind.LOST


def referees(loop: Loop, suite: Suite | None = None) -> tuple[Part, ...]:
    """Name the checkers that stop the plays of a suite, or of training: those that will judge them and can tell early.

    None where plays are to go on, and on suites whose plays a gate measures by more than whether they pass.
    """
    if not loop.config.plays.stop_doomed or (suite and _needed_whole(loop, suite)):
        return ()
    judges = suite.checkers if suite and suite.checkers else loop.config.checkers
    return tuple(part for part in judges if hasattr(plugins.find("checkers", part.use), "doomed"))


def _needed_whole(loop: Loop, suite: Suite) -> bool:
    names = [loop.suite_of(gate).name for gate in loop.gates if getattr(gate, "measures", ())]
    return any(suite.name in {name, twin(name)} for name in names)
