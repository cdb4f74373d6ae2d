"""Against creep: the best champion that was ever measured on a backend, which no later one may fall far below.

A champion may lose a little on a backend again and again, every gate holding each time. So every candidate is held
beside a second reference as well, backend by backend, with a margin for all losses together.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from loop.gates.pairing import Ints, pair
from loop.types import Entry, Score, Trial

ENOUGH: Final = 30
"""Tasks of a backend that a former champion must have in common with the present one to be set beside it."""


def best_on(backend: str, rows: Ints, champion: Sequence[Score], trial: Trial) -> str | None:
    """Name the former champion that did best on a backend; None where the present one did as well.

    Each is compared with the present champion on the tasks that both have played, since tasks differ in difficulty. One
    that was the best before the conditions changed stays it until it has played enough under the new ones.

    Args:
        backend: its name.
        rows: its tasks, by their places in the suite.
        champion: scores of the present champion.
        trial: the suite's tasks and the scores of the former ones.
    """
    asked = [trial.entries[row] for row in rows]
    by_policy = {policy: _gain(asked, champion, scores) for policy, scores in trial.earlier.items()}
    before = trial.best.get(backend)
    if before in by_policy and by_policy[before] is None:
        return before
    gains = {policy: gain for policy, gain in by_policy.items() if gain is not None}
    best = max(gains, key=lambda policy: (gains[policy], policy), default=None)
    return best if best is not None and gains[best] > 0 else None


def _gain(entries: Sequence[Entry], champion: Sequence[Score], earlier: Sequence[Score]) -> float | None:
    """Give the former champion's pass rate minus the present one's; None where too few tasks tell."""
    paired = pair(champion, earlier, entries)
    rows = paired.played
    if not len(rows) or len(rows) < min(ENOUGH, len(entries)):
        return None
    present, former = paired.rates(rows)
    return float(np.mean(former - present))
