"""What the plays say about an arm: a Beta posterior of the student's pass rate that forgets.

The student changes every round, so old plays count less and less: alpha <- l*alpha + (1-l)*alpha0 + wins, beta likewise
with the losses, once for every round that passed (MoPPS, arXiv 2507.04632, with l = 0.9).
"""

from typing import Final

from scipy.special import betaincinv

from loop.types import Arm

PRIOR: Final = 1.0
"""Both parameters before any play: every pass rate is equally likely."""
DECAY: Final = 0.9
"""What is left of the evidence after one round."""
HERITAGE: Final = 2.0
"""Plays, at most, that a predecessor's evidence is worth to a new champion, which is there because it is better."""
ROUNDING: Final = 1e-9
"""Relative; evidence that was cut to the heritage once stays exactly as it is."""


def update(arm: Arm, wins: int, plays: int, round: int, *, decay: float = DECAY) -> Arm:  # noqa: A002 - the field's name
    """Learn from finished plays of the student; a play that a provider failed is none and must not be counted.

    The posterior forgets once per round, however many updates the round brings; without plays nothing changes.

    Raises:
        ValueError: more wins than plays, or fewer than none.
    """
    if not 0 <= wins <= plays:
        raise ValueError(f"{wins} wins in {plays} plays of {arm.key}")
    if not plays:
        return arm
    kept = decay ** max(0, round - (round if arm.last_round is None else arm.last_round))
    return arm.model_copy(
        update={
            "alpha": PRIOR + kept * (arm.alpha - PRIOR) + wins,
            "beta": PRIOR + kept * (arm.beta - PRIOR) + plays - wins,
            "plays": arm.plays + plays,
            "wins": arm.wins + wins,
            "last_round": round if arm.last_round is None else max(round, arm.last_round),
            "inherited": False,
        }
    )


def inherit(arm: Arm, *, heritage: float = HERITAGE) -> Arm:
    """Begin a new champion's posterior with its predecessor's: the same rate, worth at most `heritage` plays.

    The rate it begins with is noted as `at_promotion`, so that an arm which falls afterwards is seen to fall. Twice is
    the same as once.
    """
    evidence = arm.alpha + arm.beta - 2 * PRIOR
    kept = heritage / evidence if evidence > heritage * (1 + ROUNDING) else 1.0
    alpha, beta = PRIOR + kept * (arm.alpha - PRIOR), PRIOR + kept * (arm.beta - PRIOR)
    begun = arm.model_copy(update={"alpha": alpha, "beta": beta, "inherited": arm.plays > 0})
    return begun.model_copy(update={"at_promotion": begun.rate if arm.plays else None})


def interval(arm: Arm, level: float = 0.95) -> tuple[float, float]:
    """Bound the pass rate: the posterior's central interval at `level`, in 0..1."""
    tail = (1 - level) / 2
    return float(betaincinv(arm.alpha, arm.beta, tail)), float(betaincinv(arm.alpha, arm.beta, 1 - tail))


def fallen(arm: Arm) -> float:
    """How far the pass rate fell since the last promotion, in 0..1."""
    return 0.0 if arm.at_promotion is None else max(0.0, arm.at_promotion - arm.rate)
