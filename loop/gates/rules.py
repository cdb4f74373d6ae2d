"""The same plays under a stricter rule.

A play under a rule of 20 steps a turn, none of whose turns took more than 12, is the very play that a rule of 12 would
have seen; one with a longer turn would have failed. So one set of plays tells both rules exactly.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from loop.gates.comparison import Looks, MarginTest, compare
from loop.gates.judging import OVERALL, trained
from loop.gates.pairing import by_backend, by_family, by_novelty, pair
from loop.types import OFFICIAL, SEED_RULE, GatePart, Rule, Score

STEPS: Final = "steps"
"""The measure that counts the answers of a play's longest turn."""
MARGIN: Final = 0.03
LOOKS: Final = Looks(first=54, most=1, error=0.05)


def under_rules(scores: tuple[Sequence[Score], Sequence[Score]], played: Rule) -> tuple[GatePart, ...]:
    """Compare champion and candidate under the rule that was played, and under the known ones that are stricter.

    Args:
        scores: the champion's and the candidate's, paired.
        played: the rule of the plays.
    """
    stricter = [rule for rule in (OFFICIAL, SEED_RULE) if rule.steps_per_turn < played.steps_per_turn]
    return tuple(_compared(rule, scores) for rule in (played, *stricter))


def _compared(rule: Rule, scores: tuple[Sequence[Score], Sequence[Score]]) -> GatePart:
    paired = pair(*([under(rule, score) for score in side] for side in scores))
    name = f"{rule.name} rule, {rule.steps_per_turn} steps"
    return compare(MarginTest(name, np.arange(len(paired.entries)), MARGIN, decides=False), paired, LOOKS).part


def under(rule: Rule, score: Score) -> Score:
    """Give a score as the rule has it; a score without its steps stays as it is."""
    return score.model_copy(update={"passed": score.passed and score.measures.get(STEPS, 0) <= rule.steps_per_turn})


def rates(scores: Sequence[Score]) -> dict[str, float]:
    """Give the mean over tasks of the pass rate, for every part that a gate may have; empty without scores."""
    paired = pair(scores, scores)
    if not paired.entries:
        return {}
    means = paired.rates(np.arange(len(paired.entries)))[0]
    families = {name: rows for name, rows in by_family(paired.entries).items() if name}
    words = {str(part): rows for part, rows in by_novelty(paired.entries).items()}
    parts = {**families, **by_backend(paired.entries), **words, OVERALL: trained(paired.entries)}
    return {name: float(means[rows].mean()) for name, rows in parts.items() if len(rows)}
