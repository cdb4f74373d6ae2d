"""The arms that the student fails most come first: what a curriculum is compared with."""

import numpy as np

from curriculum.sampler import Sampler
from curriculum.spread import Floats
from curriculum.table import Table

__all__ = ["Hardest"]


class Hardest(Sampler):
    """Weigh an arm by the chance to fail, at a draw from its posterior, opened or not."""

    def _weights(self, table: Table, rng: np.random.Generator, round: int) -> Floats:  # noqa: A002, ARG002 - see Sampler
        return table.weight * (1 - rng.beta(table.alpha, table.beta)) ** 2
