"""Two policies' plays of one suite, side by side: task by task, sample by sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loop.types import Entry, Novelty, Score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Paired:
    """Passes of both policies on the samples that both have played. Rows are tasks, in the suite's order."""

    entries: tuple[Entry, ...]
    plays: Ints
    """[tasks]: samples that both policies have."""
    champion: Ints
    """[tasks, most plays]: passes among the first 1, 2, 3 … samples."""
    candidate: Ints
    """Likewise."""

    @property
    def played(self) -> Ints:
        """Rows that both policies have played."""
        return np.flatnonzero(self.plays)

    def at(self, rows: Ints, samples: int) -> tuple[Ints, Ints]:
        """Count some tasks' passes among their first `samples` samples: champion's, candidate's."""
        return self.champion[rows, samples - 1], self.candidate[rows, samples - 1]

    def rates(self, rows: Ints) -> tuple[Floats, Floats]:
        """Give some tasks' avg@k over all that both have played: champion's, candidate's. Each needs a play."""
        last, plays = self.plays[rows] - 1, self.plays[rows]
        return self.champion[rows, last] / plays, self.candidate[rows, last] / plays


def pair(champion: Sequence[Score], candidate: Sequence[Score], entries: Sequence[Entry] = ()) -> Paired:
    """Lay the scores side by side. What only one policy has played is left out.

    Args:
        champion: its scores.
        candidate: its scores.
        entries: the suite's tasks in order; empty for those that both have played, by id.
    """
    old, new = _passes(champion), _passes(candidate)
    rows = tuple(entries) or _met(old, candidate)
    common = [sorted(old.get(other.task, {}).keys() & new.get(other.task, {}).keys()) for other in rows]
    return Paired(
        entries=rows,
        plays=np.array([len(samples) for samples in common], dtype=np.int64),
        champion=_cumulated(old, rows, common),
        candidate=_cumulated(new, rows, common),
    )


def _met(old: dict[str, dict[int, bool]], candidate: Sequence[Score]) -> tuple[Entry, ...]:
    """List the tasks that both have scores of, by id."""
    both = {score.task: score for score in candidate if score.task in old}
    return tuple(both[task] for task in sorted(both))


def by_backend(entries: Sequence[Entry]) -> dict[str, Ints]:
    """List the rows that play each backend; a task of two backends counts for both."""
    return grouped(entries, [entry.backends for entry in entries])


def by_family(entries: Sequence[Entry]) -> dict[str, Ints]:
    """List the rows of each family; a task without one counts by its backends."""
    return grouped(entries, [(entry.family,) if entry.family else entry.backends for entry in entries])


def by_novelty(entries: Sequence[Entry]) -> dict[Novelty, Ints]:
    """List the rows of each part: known words, new words, unseen families; of those that the suite has."""
    groups = grouped(entries, [(entry.novelty,) if entry.novelty else () for entry in entries])
    return {part: groups[part] for part in Novelty if part in groups}


def grouped(entries: Sequence[Entry], names: Iterable[Sequence[str]]) -> dict[str, Ints]:
    """List the rows of each name; a row may have several."""
    rows: dict[str, list[int]] = {}
    for row, (_, of_row) in enumerate(zip(entries, names, strict=True)):
        for name in dict.fromkeys(of_row):
            rows.setdefault(name, []).append(row)
    return {name: np.array(rows[name], dtype=np.int64) for name in sorted(rows)}


def _passes(scores: Sequence[Score]) -> dict[str, dict[int, bool]]:
    passes: dict[str, dict[int, bool]] = {}
    for score in scores:
        passes.setdefault(score.task, {})[score.sample] = score.passed
    return passes


def _cumulated(passes: dict[str, dict[int, bool]], rows: Sequence[Entry], common: Sequence[list[int]]) -> Ints:
    """Sum along the samples; a row with fewer samples than the longest stays at its last sum."""
    table = np.zeros((len(rows), max(map(len, common), default=0)), dtype=np.int64)
    for row, (entry, samples) in enumerate(zip(rows, common, strict=True)):
        table[row, : len(samples)] = [passes[entry.task][sample] for sample in samples]
    return np.cumsum(table, axis=1)
