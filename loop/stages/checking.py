"""Give trajectories the verdicts that they lack."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from loop import plugins
from loop.parts import Loop
from loop.store.verdicts import TOGETHER
from loop.types import (
    Checker,
    Round,
    Suite,
    Task,
    Trajectory,
    Verdict,
)

log = structlog.get_logger()


MAX_REASON = 500
"""Characters of an error in a verdict's reason."""
SECONDS = 1.0
"""For which a verdict waits for others to be stored with, at most. A kill before that has it given again."""


class Judged(NamedTuple):
    """A trajectory, and what was said of it."""

    id: str
    task: Task
    trajectory: Trajectory
    verdicts: Sequence[Verdict]


def judge_missing(loop: Loop, rnd: Round, suite: Suite | None = None) -> None:
    """Give every trajectory of a round, or of its plays on one suite, every verdict that it lacks."""
    loop.board.step("checking", total=0)
    for task, trajectory, verdicts in judged_now(loop, rnd, suite):
        _tell(loop, task, trajectory, verdicts)
        loop.stop.check()


def judged_now(
    loop: Loop, rnd: Round, suite: Suite | None = None
) -> Iterator[tuple[Task, Trajectory, Sequence[Verdict]]]:
    """Judge what lacks verdicts, one trajectory after the other; what is yielded is stored."""
    checkers = plugins.judges_of(suite, loop.checkers) if suite else loop.checkers
    judges = {checker.name: checker for checker in checkers}
    required = [(name, checker.version) for name, checker in judges.items()]
    raised: set[str] = set()
    waiting: list[Judged] = []
    stored = time.monotonic()
    for trajectory_id, task, trajectory, missing in loop.store.trajectories.unchecked(
        rnd, required, suite.id if suite else None
    ):
        verdicts = [judged(judges[name], task, trajectory, raised) for name in missing]
        waiting.append(Judged(trajectory_id, task, trajectory, verdicts))
        if len(waiting) == TOGETHER or time.monotonic() - stored > SECONDS:
            yield from _stored(loop, waiting, required)
            waiting, stored = [], time.monotonic()
    yield from _stored(loop, waiting, required)


def _stored(
    loop: Loop, waiting: Sequence[Judged], required: Sequence[tuple[str, int]]
) -> Iterator[tuple[Task, Trajectory, Sequence[Verdict]]]:
    """Store verdicts in one transaction; only then do they count."""
    loop.store.verdicts.record_all({each.id: each.verdicts for each in waiting}, required)
    for each in waiting:
        yield each.task, each.trajectory, each.verdicts


def judged(checker: Checker, task: Task, trajectory: Trajectory, raised: set[str]) -> Verdict:
    """Ask a checker for its verdict. One that raises fails the play: a play that nobody can judge is no lesson.

    Args:
        checker: who is asked.
        task: what was played.
        trajectory: how.
        raised: names of the checkers whose errors are in the log already; grows by this one's.
    """
    try:
        return checker.check(task, trajectory)
    except Exception as error:  # one play that a plug-in cannot read must not end the daemon
        if checker.name not in raised:
            log.exception("checker_raised", checker=checker.name, task=task.id)
            raised.add(checker.name)
        reason = f"the checker raised {type(error).__name__}: {error}"[:MAX_REASON]
        evidence = {"kind": "raised", "error": type(error).__name__}
        return Verdict(
            checker=checker.name, version=checker.version, passed=False, score=0, reason=reason, evidence=evidence
        )


def _tell(loop: Loop, task: Task, trajectory: Trajectory, verdicts: Sequence[Verdict]) -> None:
    who = trajectory.player
    if trajectory.policy:
        who = "champion" if trajectory.policy == loop.champion.id else "candidate"
    loop.board.won(f"{who} {'+'.join(task.backends)}", won=all(verdict.passed for verdict in verdicts))
