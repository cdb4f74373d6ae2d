"""What becomes of a round's candidate, read off its row and its gates: the first case that holds decides."""

import math
from collections.abc import Callable
from typing import Final

from loop.release.runs.contract import RunDecision, RunVerdict
from loop.release.runs.facts import Facts
from loop.types import RESTS


def decide(facts: Facts) -> RunVerdict:
    """Decide, with a reason and one next action."""
    return next(verdict for case in CASES if (verdict := case(facts)) is not None)


def _going_on(facts: Facts) -> RunVerdict | None:
    state = facts.round.first["state"]
    if state in {"done", "failed"}:
        return None
    reason = f"The round is still in its stage '{state}'."
    return RunVerdict(decision=RunDecision.PARK, reason=reason, next_action="loopd start")


def _promoted(facts: Facts) -> RunVerdict | None:
    if facts.round.first["decision"] != "promoted":
        return None
    action = f"loopd release {facts.candidate[:12]} --out DIR"
    return RunVerdict(decision=RunDecision.SHIP, reason=_why(facts), next_action=action)


def _rested(facts: Facts) -> RunVerdict | None:
    if not str(facts.round.first["reason"] or "").startswith(RESTS):
        return None
    action = "Raise gating.most_times, or open tiers, families and backends under sampling; then: loopd start"
    return RunVerdict(decision=RunDecision.PARK, reason=_why(facts), next_action=action)


def _without_candidate(facts: Facts) -> RunVerdict | None:
    if facts.candidate:
        return None
    if facts.dataset.first and facts.round.first["state"] == "failed":
        return RunVerdict(
            decision=RunDecision.RETRY_TRAINING,
            reason=f"A dataset is there and no candidate came of it. {_why(facts)}",
            next_action="loopd doctor",
        )
    reason = f"There was too little to train on. {_why(facts)}"
    return RunVerdict(decision=RunDecision.RETRY_DATA, reason=reason, next_action="loopd curriculum show")


def _failed(facts: Facts) -> RunVerdict | None:
    if facts.round.first["state"] != "failed":
        return None
    action = f"loopd model propose {facts.candidate[:12]}"
    return RunVerdict(decision=RunDecision.RETRY_EVAL, reason=_why(facts), next_action=action)


def _queued(facts: Facts) -> RunVerdict | None:
    if facts.round.first["decision"] is not None:
        return None
    paused = [row["gate"] for row in facts.paused.rows]
    reason = f"The candidate waits for a decision. {_why(facts)}"
    action = f"loopd gate resume {paused[0]}" if paused else "loopd start --rounds 0"
    return RunVerdict(decision=RunDecision.PARK, reason=reason, next_action=action)


def _specialist(facts: Facts) -> RunVerdict | None:
    if facts.policy.first.get("standing") != "specialist":
        return None
    reason = f"It is kept as a specialist, for routed use only. {_why(facts)}"
    action = f"loopd release {facts.candidate[:12]} --out DIR --metadata-only"
    return RunVerdict(decision=RunDecision.PARK, reason=reason, next_action=action)


def _diverged(facts: Facts) -> RunVerdict | None:
    first, last = facts.losses.first.get("first"), facts.losses.first.get("last")
    if first is None or last is None or (math.isfinite(last) and last <= first):
        return None
    reason = f"The loss rose from {first:.4g} to {last:.4g}: the training is at fault, not the data."
    return RunVerdict(decision=RunDecision.RETRY_TRAINING, reason=reason, next_action="Lower training.learning_rate.")


def _worse(facts: Facts) -> RunVerdict | None:
    failed = [row for row in facts.deciding if row["verdict"] == "fails"]
    if not failed:
        return None
    action = f"loopd gate explain {facts.number}"
    return RunVerdict(decision=RunDecision.REJECT, reason=_why(facts), next_action=action)


def _undecided(facts: Facts) -> RunVerdict | None:
    if facts.deciding and all(row["verdict"] == "holds" for row in facts.deciding):
        return None
    action = "Raise gating.max_samples (loopd gate power says what that can show), then: loopd model propose "
    return RunVerdict(decision=RunDecision.RETRY_EVAL, reason=_why(facts), next_action=action + facts.candidate[:12])


def _no_better(facts: Facts) -> RunVerdict:
    reason = f"Nothing got worse and nothing got better beyond doubt. {_why(facts)}"
    return RunVerdict(decision=RunDecision.RETRY_DATA, reason=reason, next_action="loopd curriculum show")


def _why(facts: Facts) -> str:
    row = facts.round.first
    return str(row["decision_reason"] or row["reason"] or "The store has no reason.")


CASES: Final[tuple[Callable[[Facts], RunVerdict | None], ...]] = (
    _going_on,
    _promoted,
    _rested,
    _without_candidate,
    _failed,
    _queued,
    _specialist,
    _diverged,
    _worse,
    _undecided,
    _no_better,
)
"""In this order: the last one always holds."""
