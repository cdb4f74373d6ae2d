"""Plays go where they teach: Thompson draws of p(1-p), with shares for the stale and the unseen."""

from typing import Final

import numpy as np
from pydantic import Field

from curriculum.sampler import Sampler
from curriculum.spread import NO_ARMS, Floats, Ints
from curriculum.table import Table

__all__ = ["Thompson"]

DRAWS: Final = 8
"""Draws of an arm whose mean is its weight: after one alone, chance would leave arms without a look in a round."""


class Thompson(Sampler):
    """Weigh an arm by p(1-p) at a draw p from its posterior: most where the student passes every other time.

    The draw (Thompson 1933; as in MoPPS, arXiv 2507.04632) explores what is uncertain, p(1-p) (arXiv 2502.12272)
    prefers the edge of the student's skill, and a share goes to arms not played for long (PLR, arXiv 2010.03934).
    """

    stale: float = Field(default=0.15, ge=0, le=1)
    """Share of the draws that goes to seen arms by the rounds since they were played."""
    unseen: float = Field(default=0.15, ge=0, le=1)
    """Share of the draws that goes to arms never played, while there are any. Where a round has a task for each of
    them, and of those that a new champion has not played, each gets one: where nobody looks, nobody teaches."""
    boost: float = Field(default=4.0, ge=0)
    """Times the fall of the pass rate since the last promotion, added to an arm's weight of 1."""

    def _weights(self, table: Table, rng: np.random.Generator, round: int) -> Floats:  # noqa: A002 - the field's name
        allowed = np.where(table.open, table.weight, 0.0)
        drawn = rng.beta(table.alpha, table.beta, (DRAWS, len(table.alpha)))
        teaches = allowed * (drawn * (1 - drawn)).mean(axis=0) * (1 + self.boost * table.fallen)
        waited = allowed * np.where(table.unseen, 0.0, np.maximum(round - table.last, 0.0))
        new = allowed * table.unseen
        return _mixed((1.0, teaches), (self.stale, waited), (self.unseen, new))

    def _first(self, table: Table, tasks: int) -> Ints:
        new = np.flatnonzero(table.open & (table.unseen | table.inherited) & (table.weight > 0))
        return new if len(new) <= tasks and self.unseen > 0 else NO_ARMS


def _mixed(*parts: tuple[float, Floats]) -> Floats:
    """Mix distributions by share; the first gets what the others, or those of them that are empty, leave."""
    (_, first), *others = parts
    present = [(share, part / part.sum()) for share, part in others if part.sum() > 0]
    rest = max(0.0, 1.0 - sum(share for share, _ in present))
    base = first / first.sum() if first.sum() > 0 else first
    return rest * base + sum((share * part for share, part in present), start=np.zeros_like(first))
