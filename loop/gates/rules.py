"""The same plays under a stricter rule.

A play under a rule of 20 steps a turn, none of whose turns took more than 12, is the very play that a rule of 12 would
have seen; one with a longer turn would have failed. So one set of plays tells both rules exactly.
"""

from collections.abc import Sequence
from typing import Final

from loop.gates.comparison import Looks, compare
from loop.gates.judging import OVERALL
from loop.gates.pairing import by_backend, pair
from loop.types import OFFICIAL, SEED_RULE, GatePart, Rule, Score

STEPS: Final = "steps"
"""The measure that counts the answers of a play's longest turn."""
MARGIN: Final = 0.03
LOOKS: Final = Looks(first=1, most=32, error=0.05)


def under_rules(scores: tuple[Sequence[Score], Sequence[Score]], played: Rule) -> tuple[GatePart, ...]:
    """Compare champion and candidate under the rule that was played, and under the known ones that are stricter.

    Args:
        scores: the champion's and the candidate's, paired.
        played: the rule of the plays.
    """
    stricter = [rule for rule in (OFFICIAL, SEED_RULE) if rule.steps_per_turn < played.steps_per_turn]
    return tuple(_compared(rule, scores) for rule in (played, *stricter))


def _compared(rule: Rule, scores: tuple[Sequence[Score], Sequence[Score]]) -> GatePart:
    old, new = ([under(rule, score) for score in side] for side in scores)
    return compare(f"{rule.name} rule, {rule.steps_per_turn} steps", pair(old, new), MARGIN, LOOKS)


def under(rule: Rule, score: Score) -> Score:
    """Give a score as the rule has it; a score without its steps stays as it is."""
    return score.model_copy(update={"passed": score.passed and score.measures.get(STEPS, 0) <= rule.steps_per_turn})


def rates(scores: Sequence[Score]) -> dict[str, float]:
    """Give the mean over tasks of the pass rate, overall, for every backend and every family; empty without scores."""
    by_family = [score.model_copy(update={"backends": (score.family,)}) for score in scores if score.family]
    return {**_rates(by_family), **_rates(scores)}


def _rates(scores: Sequence[Score]) -> dict[str, float]:
    paired = pair(scores, scores)
    if not paired.tasks:
        return {}
    means, parts = paired.rates()[0], {OVERALL: list(range(len(paired.tasks))), **by_backend(paired)}
    return {name: float(means[rows].mean()) for name, rows in parts.items()}
