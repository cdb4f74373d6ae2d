"""Every arm as often as any other: what a curriculum is compared with."""

import numpy as np

from curriculum.sampler import Sampler
from curriculum.spread import Floats
from curriculum.table import Table

__all__ = ["Uniform"]


class Uniform(Sampler):
    """Weigh all arms alike, opened or not."""

    def _weights(self, table: Table, rng: np.random.Generator, round: int) -> Floats:  # noqa: A002, ARG002 - see Sampler
        return table.weight
