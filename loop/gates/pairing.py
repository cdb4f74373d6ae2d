"""Two policies' plays of one suite, side by side: task by task, sample by sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loop.types import Score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Paired:
    """Passes of both policies on the tasks and samples that both have played. Rows are tasks, in order of their ids."""

    tasks: tuple[str, ...]
    backends: tuple[frozenset[str], ...]
    plays: Ints
    """[tasks]: samples that both policies have."""
    champion: Ints
    """[tasks, most plays]: passes among the first 1, 2, 3 … samples."""
    candidate: Ints
    """Likewise."""

    def at(self, samples: int) -> tuple[Ints, Ints]:
        """Count each task's passes among its first `samples` samples: champion's, candidate's."""
        return self.champion[:, samples - 1], self.candidate[:, samples - 1]

    def rates(self) -> tuple[Floats, Floats]:
        """Give each task's avg@k over all that both have played: champion's, candidate's."""
        last, rows = self.plays - 1, np.arange(len(self.tasks))
        return self.champion[rows, last] / self.plays, self.candidate[rows, last] / self.plays

    def only(self, rows: Iterable[int]) -> "Paired":
        """Keep some tasks."""
        kept = list(rows)
        return Paired(
            tasks=tuple(self.tasks[row] for row in kept),
            backends=tuple(self.backends[row] for row in kept),
            plays=self.plays[kept],
            champion=self.champion[kept],
            candidate=self.candidate[kept],
        )


def pair(champion: Sequence[Score], candidate: Sequence[Score]) -> Paired:
    """Lay the scores side by side. What only one policy has played is left out."""
    old, new = _passes(champion), _passes(candidate)
    backends = {score.task: frozenset(score.backends) for score in candidate}
    common = {task: sorted(old[task].keys() & new[task].keys()) for task in sorted(old.keys() & new.keys())}
    common = {task: samples for task, samples in common.items() if samples}
    return Paired(
        tasks=tuple(common),
        backends=tuple(backends[task] for task in common),
        plays=np.array([len(samples) for samples in common.values()], dtype=np.int64),
        champion=_cumulated(old, common),
        candidate=_cumulated(new, common),
    )


def by_backend(paired: Paired) -> dict[str, list[int]]:
    """List the rows that play each backend; a task of two backends counts for both."""
    names = sorted(frozenset[str]().union(*paired.backends))
    return {name: [row for row, backends in enumerate(paired.backends) if name in backends] for name in names}


def _passes(scores: Sequence[Score]) -> dict[str, dict[int, bool]]:
    passes: dict[str, dict[int, bool]] = {}
    for score in scores:
        passes.setdefault(score.task, {})[score.sample] = score.passed
    return passes


def _cumulated(passes: dict[str, dict[int, bool]], common: dict[str, list[int]]) -> Ints:
    """Sum along the samples; a row with fewer samples than the longest stays at its last sum."""
    table = np.zeros((len(common), max(map(len, common.values()), default=0)), dtype=np.int64)
    for row, (task, samples) in enumerate(common.items()):
        table[row, : len(samples)] = [passes[task][sample] for sample in samples]
    return np.cumsum(table, axis=1)
