"""Many candidates of known worth before the gates at once: what is decided, and what it costs.

The questions, looks, bounds and tests are the gates' own; only the plays are drawn instead of made. One play of every
task at most: what a gate does later with repeated plays is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from loop.gates.comparison import Looks, MarginTest, hopeful
from loop.gates.judging import Judging, trained
from loop.gates.pairing import Bools, Ints
from loop.gates.statistics import score_bounds
from loop.types import Entry

Changes = NDArray[np.int8]
"""[candidates, tasks]: 1 where only the candidate passes, -1 where only the champion does."""
T = TypeVar("T", bound=np.generic)
NEVER: Final = 99
"""A look that does not come."""


@dataclass(frozen=True)
class Bench:
    """A gate and the tasks of its suite."""

    gate: Judging
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class SimulatedOutcomes:
    """What became of every candidate; arrays of [candidates]."""

    promoted: Bools
    held: Bools
    """Every gate holds."""
    failed: Bools
    """Shown to be worse by a margin somewhere."""
    plays: Ints
    """Of the candidate, at all gates together."""


@dataclass(frozen=True)
class Track:
    """What one gate would find if every look were made. A look is its number in the gate's ladder."""

    questions: tuple[MarginTest, ...]
    """Those that decide, the one over the whole first."""
    holds: Ints
    """[questions, candidates]: the look that clears it, or `NEVER`."""
    fails: Ints
    """[questions, candidates]: the look that shows it to be worse by its margin, or `NEVER`."""
    shown: Ints
    """[candidates]: the look that shows a gain, or `NEVER`."""
    hope: Bools
    """[looks, candidates]: whether a gain may still be shown after that look."""
    seen: Ints
    """[tasks]: the first look that has the task."""
    until: Ints
    """[candidates, tasks]: the last look that asks for the task, were only what is undecided played on."""
    last: int
    """The last look."""

    def worse(self, look: int) -> Bools:
        """Whether a part was shown to be worse by that look."""
        return _any(self.fails <= look)

    def holding(self, look: int) -> Bools:
        """Whether every part holds by that look."""
        return _every(self.holds <= look)

    def stuck(self, look: int) -> Bools:
        """Whether no look is left for a part that is undecided."""
        return ~self.holding(look) & (look >= self.last)

    def tested(self, look: int) -> Ints:
        """The last look at the whole suite up to that look: further on only the tasks of some parts are played."""
        lacking = np.where(self.until < self.seen, self.seen, self.last + 1).min(axis=1)
        places: Ints = np.minimum(lacking - 1, look)
        return places

    def hoping(self, tested: Ints) -> Bools:
        """Whether a gain may still be shown after the last test of the whole suite."""
        hopes: Bools = self.hope[tested, np.arange(len(tested))]
        return hopes


def judged(benches: Sequence[Bench], changes: Sequence[Changes]) -> SimulatedOutcomes:
    """Judge candidates as the daemon does: look by look, until all is decided, or nothing can be gained.

    Args:
        benches: the gates.
        changes: what each candidate changes, for every gate.
    """
    tracks = tracks_of(benches, changes)
    end, looks = _end(tracks), range(_looks(tracks))
    failed = _at(end, [_any([track.worse(look) for track in tracks]) for look in looks])
    held = _at(end, [_every([track.holding(look) for track in tracks]) for look in looks]) & ~failed
    tested = _pursued(tracks, [_at(end, [track.tested(look) for look in looks]) for track in tracks], held)
    plays = sum((_plays(*track, end) for track in zip(tracks, tested, strict=True)), start=np.zeros_like(end))
    return SimulatedOutcomes(promoted=held & _better(tracks, tested), held=held, failed=failed, plays=plays)


def tracks_of(benches: Sequence[Bench], changes: Sequence[Changes]) -> list[Track]:
    """Make every look of every gate."""
    return [_track(bench, change) for bench, change in zip(benches, changes, strict=True)]


def _track(bench: Bench, changes: Changes) -> Track:
    gate, tasks, runs = bench.gate.within(1), len(bench.entries), len(changes)
    questions = tuple(question for question in gate.questions(bench.entries) if question.decides)
    holds, fails = (np.full((len(questions), runs), NEVER) for _ in range(2))
    for index, question in enumerate(questions):
        _answer(question, gate.looks, changes, holds[index], fails[index])
    steps = gate.gains.steps(trained(bench.entries), tasks)
    last = steps[-1].number
    shown, seen = np.full(runs, NEVER), np.full(tasks, NEVER)
    hope = np.ones((last + 1, runs), dtype=np.bool_)
    for step in steps if gate.improves else ():
        won, lost = _counts(changes[:, step.rows])
        p = np.where(won > 0, bdtrc(won - 1.0, won + lost, 0.5), 1.0)
        shown[(shown == NEVER) & (p <= step.error)] = step.number
        hope[step.number :] = hopeful(won, lost, step, steps[-1])
    for step in reversed(steps):
        seen[step.rows] = step.number
    hope[last:] = False
    until = _until(questions, np.minimum(holds, fails), (runs, tasks))
    return Track(questions, holds, fails, shown, hope & gate.improves, seen, until, last)


def _until(questions: Sequence[MarginTest], decided: Ints, shape: tuple[int, int]) -> Ints:
    """Say of every task which look is the last to ask for it: that which decides the last of its parts."""
    ends = np.full(shape, -1)
    for index, question in enumerate(questions):
        ends[:, question.rows] = np.maximum(ends[:, question.rows], decided[index][:, None])
    return ends


def _answer(question: MarginTest, looks: Looks, changes: Changes, holds: Ints, fails: Ints) -> None:
    for step in looks.steps(question.rows, changes.shape[1]):
        won, lost = _counts(changes[:, step.rows])
        low, high = score_bounds(won, lost, len(step.rows), step.error)
        alike = (won + lost == 0) & (len(step.rows) == len(question.rows))
        undone = (holds == NEVER) & (fails == NEVER)
        holds[undone & ((low > -question.margin) | alike)] = step.number
        fails[undone & (high < -question.margin) & ~alike] = step.number


def _counts(changes: Changes) -> tuple[Ints, Ints]:
    return (changes > 0).sum(axis=1), (changes < 0).sum(axis=1)


def _end(tracks: Sequence[Track]) -> Ints:
    """Find the look at which each candidate's parts are settled, or nothing can be gained any more."""
    end = np.full(len(tracks[0].shown), NEVER)
    for look in range(_looks(tracks)):
        settled = _any([track.worse(look) | track.stuck(look) for track in tracks])
        settled |= _every([track.holding(look) for track in tracks])
        tested = [track.tested(look) for track in tracks]
        better = _better(tracks, tested)
        hope = _any([track.hoping(seen) for track, seen in zip(tracks, tested, strict=True)])
        end[(end == NEVER) & (settled | ~(better | hope))] = look
    return end


def _pursued(tracks: Sequence[Track], tested: Sequence[Ints], held: Bools) -> list[Ints]:
    """Go on for a gain alone where every part holds: the last test of the whole suite at each gate."""
    moved = list(tested)
    for _ in range(_looks(tracks)):
        better = _better(tracks, moved)
        moved = [seen + (held & ~better & track.hoping(seen)) for track, seen in zip(tracks, moved, strict=True)]
    return moved


def _better(tracks: Sequence[Track], tested: Sequence[Ints]) -> Bools:
    return _any([track.shown <= seen for track, seen in zip(tracks, tested, strict=True)])


def _plays(track: Track, tested: Ints, end: Ints) -> Ints:
    """Count the tasks that were played: those of every part up to its look, and the whole up to the last test."""
    needed = np.maximum(np.minimum(track.until, end[:, None]), tested[:, None]) >= track.seen
    played: Ints = needed.sum(axis=1)
    return played


def _looks(tracks: Sequence[Track]) -> int:
    return max(track.last for track in tracks) + 1


def _at(look: Ints, values: Sequence[NDArray[T]]) -> NDArray[T]:
    """Take each candidate's value at its own look."""
    chosen: NDArray[T] = np.stack(values)[np.minimum(look, len(values) - 1), np.arange(len(look))]
    return chosen


def _any(arrays: Sequence[Bools] | Bools) -> Bools:
    return np.asarray(np.any(arrays, axis=0), dtype=np.bool_)


def _every(arrays: Sequence[Bools] | Bools) -> Bools:
    return np.asarray(np.all(arrays, axis=0), dtype=np.bool_)
