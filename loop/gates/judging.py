"""What depth and breadth share: settings, and how parts become one result."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field
from scipy.special import ndtri

from loop.gates.comparison import Looks, compare, gain
from loop.gates.looks import attempt_share, attempts_left
from loop.gates.pairing import Paired, pair
from loop.types import GatePart, GateResult, GateVerdict, Id, Record, Score

RATE = "rate"
OVERALL = "overall"
"""The name of the part over all tasks."""


class Judging(Record):
    """A gate over passes. Fields are settings."""

    name: Id
    suite: Id
    margin: float = Field(default=0.03, gt=0, le=1)
    """The candidate may be worse by less than this, over all tasks."""
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """The chance to hold a candidate that is worse by the margin; and, over all attempts, of a false improvement."""
    first: int = Field(default=1, ge=1)
    """Plays a task of each policy at the first look; every further look doubles them."""
    most: int = Field(default=32, ge=1)
    """Plays a task of each policy at the last look."""
    attempt: int = Field(default=1, ge=1)
    """Candidates judged since the last promotion, this one counted."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Part of the error of a false improvement that is this gate's; the parts of all gates sum to one at most."""
    improves: bool = True
    """Whether being better here can promote; a gate that only guards takes no share."""

    def attempted(self, number: int) -> Self:
        """Return this gate for the `number`-th candidate since the last promotion."""
        return self.model_copy(update={"attempt": number})

    def within(self, most: int) -> Self:
        """Return this gate for a budget of `most` plays a task, so that no error is kept for looks that never come."""
        return self.model_copy(update={"most": min(self.most, most), "first": min(self.first, most)})

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score]) -> GateResult:
        """Judge paired scores: the same tasks, samples and rule for both. What only one has played is left out."""
        paired = pair(champion, candidate)
        groups = self._groups(paired)
        parts = [compare(OVERALL, paired, self.margin, self._looks)]
        parts += [compare(name, paired.only(rows), self._margin(name), self._looks) for name, rows in groups.items()]
        parts += self._measured(champion, candidate)
        return self._result(paired, parts, groups)

    def _groups(self, paired: Paired) -> Mapping[str, list[int]]:
        """Name the parts that are judged alone, each with its rows; none here."""
        del paired
        return {}

    def _margin(self, group: str) -> float:
        """Say by how much one part may be worse."""
        del group
        return self.margin

    def _measured(self, champion: Sequence[Score], candidate: Sequence[Score]) -> list[GatePart]:
        """Compare what is no pass rate; nothing here."""
        del champion, candidate
        return []

    @property
    def _looks(self) -> Looks:
        return Looks(first=self.first, most=self.most, error=self.level)

    @property
    def _gains(self) -> Looks:
        error = self.level * self.share * attempt_share(self.attempt)
        return Looks(first=self.first, most=self.most, error=error)

    def _result(self, paired: Paired, parts: Sequence[GatePart], groups: Mapping[str, list[int]]) -> GateResult:
        overall, verdict = parts[0], _together(parts)
        p, spent, better = gain(paired, self._gains)
        improved = better and self.improves
        wants = _wanted(paired, parts, groups, self.most) if verdict is GateVerdict.INCONCLUSIVE else ()
        hopeful = verdict is GateVerdict.HOLDS and self.improves and not improved and self._hopeful(overall)
        may_improve = _least_played(paired, range(len(paired.tasks)), self.most) if hopeful else ()
        return GateResult(
            gate=self.name,
            verdict=verdict,
            reason=_reason(self.name, verdict, parts, improved=improved, p=p),
            **overall.model_dump(include={"champion_rate", "candidate_rate", "difference", "low", "high", "margin"}),
            tasks=overall.tasks,
            samples=int(paired.plays.max(initial=0)),
            improved=improved,
            wants=wants,
            may_improve=may_improve,
            next_samples=self._next(paired, wants or may_improve),
            plays=2 * int(paired.plays.sum()),
            parts=tuple(parts),
            chance=p,
            spent=spent,
            attempt=self.attempt,
            left=self.level * self.share * attempts_left(self.attempt) if self.improves else 0.0,
        )

    def _hopeful(self, overall: GatePart) -> bool:
        """Whether the gain seen so far, if it is real, would be proven by the last look with a chance of one in six."""
        if overall.difference <= 0 or not overall.samples:
            return False
        deviation = max((overall.high - overall.low) / (2 * ndtri(0.975)), 1e-9)
        last = self._gains.up_to(self.most)[-1][1]
        return bool(overall.difference / deviation * np.sqrt(self.most / overall.samples) >= -ndtri(last) - 1)

    def _next(self, paired: Paired, asked: Sequence[str]) -> int:
        if not asked:
            return 0
        place = {task: row for row, task in enumerate(paired.tasks)}
        fewest = min(int(paired.plays[place[task]]) for task in asked)
        return next((rung for rung in self._looks.rungs if rung > fewest), self.most)


def _together(parts: Sequence[GatePart]) -> GateVerdict:
    """Hold only where every part holds: an intersection-union test (Berger 1982), each part at the full level."""
    verdicts = {part.verdict for part in parts}
    for verdict in (GateVerdict.FAILS, GateVerdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return GateVerdict.HOLDS


def _wanted(paired: Paired, parts: Sequence[GatePart], groups: Mapping[str, list[int]], most: int) -> tuple[str, ...]:
    """Ask for the least played tasks of the undecided groups, or of the whole where only that is undecided.

    Where one part is undecided at the last look, the gate cannot hold any more, and nothing is asked.
    """
    undecided = [part for part in parts if part.verdict is GateVerdict.INCONCLUSIVE]
    if any(part.look >= most for part in undecided):
        return ()
    names = [part.name for part in undecided if part.name != OVERALL] or [OVERALL]
    everything = range(len(paired.tasks))
    return _least_played(paired, sorted({row for name in names for row in groups.get(name, everything)}), most)


def _least_played(paired: Paired, rows: Sequence[int], most: int) -> tuple[str, ...]:
    left = [row for row in rows if paired.plays[row] < most]
    fewest = min((int(paired.plays[row]) for row in left), default=0)
    return tuple(paired.tasks[row] for row in left if paired.plays[row] == fewest)


def _reason(name: str, verdict: GateVerdict, parts: Sequence[GatePart], *, improved: bool, p: float) -> str:
    if not parts[0].tasks:
        return f"{name}: no task has been played by both policies"
    if verdict is GateVerdict.HOLDS:
        return f"{name} holds{' and improved' if improved else ''}: {figures(parts[0])}, p = {p:.2g}"
    blamed = [part for part in parts if part.verdict is verdict]
    worst = min(blamed, key=lambda part: (part.unit != RATE, part.bound + part.margin))
    word = "fails" if verdict is GateVerdict.FAILS else "is inconclusive"
    return f"{name} {word}: {figures(worst)}; {_allowed(worst)}"


def figures(part: GatePart) -> str:
    """Spell a comparison for a person: difference and interval, tasks and plays."""
    scale, unit, form = (100, "points", "+.1f") if part.unit == RATE else (1, part.unit, "+.3g")
    difference, low, high = (format(scale * value, form) for value in (part.difference, part.low, part.high))
    return f"{part.name} {difference} {unit} [{low}, {high}] over {part.tasks} tasks x {part.samples}"


def _allowed(part: GatePart) -> str:
    if part.unit == RATE:
        return f"{100 * part.margin:.3g} points less are allowed"
    return f"{part.margin:.3g} {part.unit} more are allowed"
