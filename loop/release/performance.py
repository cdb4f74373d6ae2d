"""How fast a policy answers and how much memory it takes: measured alone, and in its plays."""

from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from loop.store.evidence import RecordedFit, Timing
from loop.types import Record

MEASURED: Final = "performance"
"""The kind of event that keeps a measurement."""


class Alone(Record):
    """One conversation at a time on an otherwise idle server."""

    policy: str
    device: str
    answers: int
    p50_seconds: float
    p95_seconds: float
    """Of one answer, from the request to its last token."""
    tokens_per_second: float
    """Said, over the time that answering took."""
    peak_gb: float | None
    """Most memory that MLX held in the server, 10^9 bytes."""
    seed: int

    @classmethod
    def of(cls, answers: Sequence[Timing], **told: object) -> Self:
        """Sum up what answers took."""
        p50, p95 = quantiles([answer.seconds for answer in answers])
        rate = sum(answer.tokens for answer in answers) / sum(answer.seconds for answer in answers)
        figures = {"p50_seconds": p50, "p95_seconds": p95, "tokens_per_second": rate, "answers": len(answers)}
        return cls.model_validate({**told, **figures})


class InPlays(Record):
    """Beside other plays, as the gates measured it."""

    plays: int
    p50_seconds: float
    p95_seconds: float
    """Of one answer: a play's seconds, its tools' included, over its answers."""
    tokens_per_second: float
    """Of one conversation."""


class Performance(Record):
    """Everything that is known; what is missing is None."""

    alone: Alone | None = None
    in_plays: InPlays | None = None
    training: RecordedFit | None = None


def in_plays(timings: Sequence[Timing]) -> InPlays | None:
    """Sum up what plays took; None without one."""
    if not timings:
        return None
    p50, p95 = quantiles([timing.seconds / timing.answers for timing in timings])
    rate = sum(timing.tokens for timing in timings) / sum(timing.seconds for timing in timings)
    return InPlays(plays=len(timings), p50_seconds=p50, p95_seconds=p95, tokens_per_second=rate)


def quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Give the median and the 95th percentile."""
    p50, p95 = np.quantile(np.asarray(seconds, dtype=np.float64), [0.5, 0.95])
    return float(p50), float(p95)
