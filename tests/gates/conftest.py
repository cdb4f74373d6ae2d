import random

import pytest

from loop.types import Score, Tier


@pytest.fixture
def played():
    """Scores of one policy: `samples` plays of tasks, given as a rate and a number for every backend (or pair)."""

    def play(plan, samples, seed):
        rng = random.Random(seed)
        return [
            Score(
                task=f"{'+'.join(backends)}-{number:03}",
                backends=backends,
                tier=Tier.EASY,
                sample=sample,
                passed=rng.random() < rate,
            )
            for backends, (rate, tasks) in plan.items()
            for number in range(tasks)
            for sample in range(samples)
        ]

    return play
