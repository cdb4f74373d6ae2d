"""What a profile's gates can show: candidates of known worth, judged by simulation as the daemon would judge them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from pydantic import Field

from loop.gates.pairing import Floats, by_backend
from loop.gates.simulation import NEVER, Bench, Changes, judged, tracks_of
from loop.types import GateResult, Record

CHURN: Final = 0.2
"""Share of the tasks that a refit changes, one way or the other: assumed until it was measured in real rounds."""


ROUNDS: Final = 2
"""Judgements that must tell before their churn stands in place of the assumed one."""
FEWEST_TASKS: Final = 30
MEAN: Final = 0.7
"""The pass rate of simulated champions where their own luck matters. With it a refit changes 42 % of the tasks at most:
that many where every task is passed with this chance."""


class Worth(Record):
    """A candidate's true worth beside the champion. Rates lie in 0..1."""

    name: str
    gain: float = 0.0
    """Everywhere, unless something else is said."""
    elsewhere: float | None = None
    """What it gains at every other gate than the first; None for the same."""
    loss: float = 0.0
    """What it loses on one backend, drawn anew for each candidate, instead of the gain."""
    churn: float | None = None
    """Share of that backend's tasks that change; None for the share of all."""


WORTHS: Final[tuple[Worth, ...]] = (
    Worth(name="equal"),
    Worth(name="+5 everywhere", gain=0.05),
    Worth(name="+10 everywhere", gain=0.10),
    Worth(name="+20 everywhere", gain=0.20),
    Worth(name="+10 at the first gate, equal elsewhere", gain=0.10, elsewhere=0.0),
    Worth(name="-10 on one backend, +15 elsewhere", gain=0.15, loss=0.10),
    Worth(name="-10 on one backend in tasks lost alone, +15 elsewhere", gain=0.15, loss=0.10, churn=0.10),
)


class Chances(Record):
    """What becomes of candidates of one worth. Shares lie in 0..1."""

    worth: str
    candidates: int = Field(ge=1)
    promoted: float
    holds: float
    """Every gate holds."""
    fails: float
    """Shown to be worse by a margin somewhere."""
    plays: int
    """Of the candidate, at all gates together: the median."""
    plays_90: int
    """Nine in ten need no more."""


class PartPower(Record):
    """How likely one comparison holds, were nothing else in the way, by the candidate's true gain."""

    gate: str
    part: str
    tasks: int
    margin: float
    equal: float
    five: float
    ten: float


def measured_churn(results: Iterable[GateResult]) -> float | None:
    """Say which share of the tasks real candidates changed beyond what they gained or lost on balance.

    That is twice the fewer of won and lost tasks, over judgements with at least `FEWEST_TASKS` tasks beside a champion
    that passes a third of them: beside a weaker one nearly everything is won. None where fewer than two rounds tell.
    """
    parts = [result.parts[0] for result in results if result.decides and result.parts]
    measured = [
        part for part in parts if part.tasks >= FEWEST_TASKS and part.champion_rate >= 1 / 3 and part.won + part.lost
    ]
    if len(measured) < ROUNDS:
        return None
    return sum(2 * min(part.won, part.lost) for part in measured) / sum(part.tasks for part in measured)


def chances(
    benches: Sequence[Bench], worths: Sequence[Worth] = WORTHS, *, churn: float = CHURN, runs: int = 1000, seed: int = 6
) -> Iterator[Chances]:
    """Judge `runs` candidates of every worth.

    Args:
        benches: the gates with their suites' tasks.
        worths: what the candidates are like.
        churn: share of the tasks that a candidate changes, one way or the other.
        runs: candidates of every worth.
        seed: the same one gives the same candidates.
    """
    for number, worth in enumerate(worths):
        rng = np.random.default_rng([seed, number])
        outcomes = judged(benches, list(_drawn(benches, worth, churn, runs, rng)))
        yield Chances(
            worth=worth.name,
            candidates=runs,
            promoted=float(outcomes.promoted.mean()),
            holds=float(outcomes.held.mean()),
            fails=float(outcomes.failed.mean()),
            plays=int(np.median(outcomes.plays)),
            plays_90=int(np.quantile(outcomes.plays, 0.9)),
        )


def in_a_row(benches: Sequence[Bench], attempts: int, *, churn: float = CHURN, runs: int = 400, seed: int = 6) -> float:
    """Say how often any of so many equal candidates in a row is promoted beside one champion, which plays once.

    Every task has a chance to be passed, the same for all of them; a champion that was lucky or unlucky stays so.
    """
    rng = np.random.default_rng([seed, 200])
    spread = churn / (2 * MEAN * (1 - MEAN) - churn)
    sizes = [len(bench.entries) for bench in benches]
    rates = [rng.beta(MEAN * spread, (1 - MEAN) * spread, (runs, size)) for size in sizes]
    champions = [rng.random(rate.shape) < rate for rate in rates]
    promoted = np.zeros(runs, dtype=np.bool_)
    for _ in range(attempts):
        candidates = [rng.random(rate.shape) < rate for rate in rates]
        pairs = zip(champions, candidates, strict=True)
        promoted |= judged(benches, [new.astype(np.int8) - old.astype(np.int8) for old, new in pairs]).promoted
    return float(promoted.mean())


def parts(benches: Sequence[Bench], *, churn: float = CHURN, runs: int = 1000, seed: int = 6) -> Iterator[PartPower]:
    """Say how likely each comparison holds, by itself: the least likely ones are what stands in the way."""
    rng = np.random.default_rng([seed, 100])
    simulated = [tracks_of(benches, list(_drawn(benches, worth, churn, runs, rng))) for worth in WORTHS[:3]]
    for bench, *tracks in zip(benches, *simulated, strict=True):
        for index, question in enumerate(tracks[0].questions):
            equal, five, ten = (float((track.holds[index] < NEVER).mean()) for track in tracks)
            size, margin = len(question.rows), question.margin
            name = str(question.name)
            yield PartPower(gate=bench.gate.name, part=name, tasks=size, margin=margin, equal=equal, five=five, ten=ten)


def _drawn(
    benches: Sequence[Bench], worth: Worth, churn: float, runs: int, rng: np.random.Generator
) -> Iterator[Changes]:
    """Draw what each candidate changes at every gate; the backend that it loses is the same at all of them."""
    backends = sorted({name for bench in benches for entry in bench.entries for name in entry.backends})
    lost = rng.integers(len(backends), size=runs)
    for index, bench in enumerate(benches):
        gain = worth.gain if index == 0 or worth.elsewhere is None else worth.elsewhere
        gains = np.full((runs, len(bench.entries)), gain)
        changed = np.full_like(gains, max(churn, abs(gain)))
        if worth.loss:
            for name, rows in by_backend(bench.entries).items():
                hit = np.ix_(lost == backends.index(name), rows)
                gains[hit] = -worth.loss
                changed[hit] = max(worth.loss, churn if worth.churn is None else worth.churn)
        yield _changes(gains, changed, rng)


def _changes(gains: Floats, changed: Floats, rng: np.random.Generator) -> Changes:
    """Draw every task by itself: won with (changed + gain) / 2, lost with (changed - gain) / 2."""
    lot = rng.random(gains.shape)
    return np.where(lot < (changed + gains) / 2, 1, np.where(lot < changed, -1, 0)).astype(np.int8)
