"""Audit a sample of a round's wins, before anything is learned from them."""

import structlog

from loop import plugins
from loop.parts import Loop
from loop.stages.checking import judged
from loop.types import Accepted, Checker, Part, Round, Verdict

log = structlog.get_logger()
KIND = "audit.failed"
"""Of the event that says that a win does not hold."""


def audit(loop: Loop, rnd: Round) -> None:
    """Judge a sample of the round's wins again, and in a second world. What fails leaves the dataset, and is told.

    A win that only one world grants would teach what granted it; and what checkers of an older version let through
    shows here. Each is kept as it comes, so that a kill leaves the rest to be audited.
    """
    sample = loop.store.audits.owed(rnd, loop.required, loop.config.audit.wins)
    loop.board.step("auditing wins", total=len(sample))
    raised: set[str] = set()
    for win in sample:
        verdict = _verdict(loop, rnd, win, raised)
        loop.store.audits.save(rnd, win.id, verdict)
        loop.board.advance()
        if not verdict.passed:
            _tell(loop, rnd, win, verdict)
        loop.stop.check()


def _verdict(loop: Loop, rnd: Round, win: Accepted, raised: set[str]) -> Verdict:
    """Give the first verdict that is against a win, or else that of the second world."""
    luck: Checker = plugins.load("checkers", Part(use="luck", settings={"seed": rnd.seed}))
    for checker in loop.checkers:
        verdict = judged(checker, win.task, win.trajectory, raised)
        if not verdict.passed:
            return verdict
    return judged(luck, win.task, win.trajectory, raised)


def _tell(loop: Loop, rnd: Round, win: Accepted, verdict: Verdict) -> None:
    fields = {"trajectory": win.id, "arm": str(win.task.arm), "player": win.trajectory.player}
    log.warning("win_left_out", checker=verdict.checker, reason=verdict.reason, **fields)
    loop.store.events.record(KIND, round=rnd.id, checker=verdict.checker, reason=verdict.reason, **fields)
    loop.board.update(audits=f"{win.task.arm}: {verdict.reason}")
