"""What the gates over passes share: settings, the questions they ask, and how the answers become one result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field

from loop.gates.comparison import ComparisonResult, Improvement, Looks, MarginTest, compare, gain
from loop.gates.looks import SPENDING
from loop.gates.pairing import Ints, Paired, by_backend, by_novelty, pair
from loop.gates.reference import best_on
from loop.gates.statistics import FEWEST
from loop.types import Entry, GatePart, GateResult, GateVerdict, Id, Novelty, Record, Score, Trial

RATE = "rate"
OVERALL = "overall"
"""The name of the part over all tasks of trained families."""
BEST = "best ever"
"""Ends the name of a part that sets a backend beside the best champion that was ever measured on it."""


class Judging(Record):
    """A gate over passes. Fields are settings."""

    name: Id
    suite: Id
    margin: float = Field(default=0.03, gt=0, le=1)
    """The candidate may be worse by less than this, over all tasks."""
    words_margin: float = Field(default=0.05, gt=0, le=1)
    """The candidate may be worse by less than this over the tasks in known words, and over those in new words."""
    cumulative_margin: float = Field(default=0.10, gt=0, le=1)
    """The candidate may be worse by less than this, on any backend, than the best champion that was ever measured."""
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """The chance to hold a candidate that is worse by a margin; and, over `window` candidates in a row, the chance of
    a false improvement by any of them."""
    window: int = Field(default=20, ge=1)
    """Candidates in a row that share the error of a false improvement, each alike."""
    first: int = Field(default=54, ge=2)
    """Tasks of the suite at the first look, one play of each policy; every further look doubles them."""
    spending: float = Field(default=SPENDING, ge=0, le=8)
    """Power of the plays in what each look may spend of the error. A smaller one decides great differences at earlier
    looks, and keeps less for the last one, which shows the small ones."""
    most: int = Field(default=32, ge=1)
    """Plays a task of each policy at the last look; one play of every task comes first."""
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
        return self.model_copy(update={"most": min(self.most, most)})

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score], trial: Trial | None = None) -> GateResult:
        """Judge paired scores: the same tasks, samples and rule for both. What only one has played is left out."""
        trial = trial or Trial()
        paired = pair(champion, candidate, trial.entries)
        answers = [compare(question, paired, self.looks) for question in self.questions(paired.entries)]
        answers += self._beside(champion, candidate, trial)
        answers += self._measured(paired, champion, candidate)
        better = gain(paired, trained(paired.entries), self.gains) if self.improves else Improvement()
        return self._result(paired, answers, better)

    def questions(self, entries: Sequence[Entry]) -> tuple[MarginTest, ...]:
        """List what is asked of a suite: overall, known and new words, each part of this gate; unseen families last.

        A part too small for any bound decides nothing, since it could never hold; it is reported.
        """
        novel, rows = by_novelty(entries), trained(entries)
        words = [part for part in (Novelty.KNOWN, Novelty.WORDS) if part in novel]
        return (
            MarginTest(OVERALL, rows, self.margin),
            *(MarginTest(word, novel[word], self.words_margin, decides=len(novel[word]) >= FEWEST) for word in words),
            *self._parts(entries, rows),
            *(MarginTest(part, novel[part], self.margin, decides=False) for part in novel if part not in words),
        )

    @property
    def looks(self) -> Looks:
        """When to look, and the error of "not worse" that the looks share."""
        return Looks(self.first, self.most, self.level, self.spending)

    @property
    def gains(self) -> Looks:
        """When to look, and the error of a false improvement that the looks share."""
        return Looks(self.first, self.most, self.level * self.share / self.window, self.spending)

    def _parts(self, entries: Sequence[Entry], rows: Ints) -> Iterator[MarginTest]:
        names = self._groups(entries)
        if len(names) > 1:
            for name, members in names.items():
                inside = np.intersect1d(members, rows)
                if len(inside):
                    yield MarginTest(name, inside, self._margin(name), decides=len(inside) >= FEWEST)

    def _groups(self, entries: Sequence[Entry]) -> Mapping[str, Ints]:
        """Name the parts that are judged alone, each with its rows; none here."""
        del entries
        return {}

    def _margin(self, group: str) -> float:
        """Say by how much one part may be worse."""
        del group
        return self.margin

    def _beside(
        self, champion: Sequence[Score], candidate: Sequence[Score], trial: Trial
    ) -> Iterator[ComparisonResult]:
        """Compare with the best champion that there ever was on each backend, where the present one does worse."""
        families, groups = trained(trial.entries), self._groups(trial.entries) or by_backend(trial.entries)
        for name, members in groups.items() if trial.earlier else ():
            rows = np.intersect1d(members, families)
            best = best_on(name, rows, champion, trial)
            if best is not None:
                margin = max(self.cumulative_margin, self._margin(name))
                question = MarginTest(f"{name}, {BEST}", rows, margin, beside=best)
                yield compare(question, pair(trial.earlier[best], candidate, trial.entries), self.looks)

    def _measured(
        self, paired: Paired, champion: Sequence[Score], candidate: Sequence[Score]
    ) -> list[ComparisonResult]:
        """Compare what is no pass rate; nothing here."""
        del paired, champion, candidate
        return []

    def _result(self, paired: Paired, answers: Sequence[ComparisonResult], better: Improvement) -> GateResult:
        parts = [answer.part for answer in answers]
        overall, verdict = parts[0], _together(parts)
        undecided = _undecided(answers) if verdict is GateVerdict.INCONCLUSIVE else ()
        pursued = [better] if better.next and verdict is not GateVerdict.FAILS else []
        reported = [answer for answer in answers if not answer.part.decides]
        whole = reported if any(comparison is answers[0] for comparison in undecided) else ()
        asking: tuple[ComparisonResult | Improvement, ...] = undecided or tuple(pursued)
        return GateResult(
            gate=self.name,
            verdict=verdict,
            reason=_reason(self.name, verdict, parts, better),
            **overall.model_dump(include={"champion_rate", "candidate_rate", "difference", "low", "high", "margin"}),
            tasks=overall.tasks,
            samples=int(paired.plays.max(initial=0)),
            improved=better.shown,
            wants=_wanted(paired, [comparison for comparison in undecided if not comparison.part.beside], whole),
            may_improve=_wanted(paired, pursued, reported),
            beside={
                comparison.part.beside: _wanted(paired, [comparison])
                for comparison in undecided
                if comparison.part.beside
            },
            next_samples=max((comparison.next.samples for comparison in asking if comparison.next), default=0),
            plays=2 * int(paired.plays.sum()),
            parts=tuple(parts),
            chance=better.chance,
            spent=better.spent,
            attempt=self.attempt,
            left=better.left,
        )


def trained(entries: Sequence[Entry]) -> Ints:
    """List the rows whose families are trained: those that a gate's verdict rests on."""
    return np.array([row for row, entry in enumerate(entries) if entry.novelty is not Novelty.FAMILY], dtype=np.int64)


def _together(parts: Sequence[GatePart]) -> GateVerdict:
    """Hold only where every part holds: an intersection-union test (Berger 1982), each part at the full level."""
    verdicts = {part.verdict for part in parts if part.decides}
    for verdict in (GateVerdict.FAILS, GateVerdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return GateVerdict.HOLDS


def _undecided(answers: Sequence[ComparisonResult]) -> tuple[ComparisonResult, ...]:
    """List the undecided parts whose next look is the earliest.

    Where one part is undecided after its last look, the gate cannot hold any more, and nothing is asked.
    """
    undecided = [
        answer for answer in answers if answer.part.decides and answer.part.verdict is GateVerdict.INCONCLUSIVE
    ]
    looks = [comparison.next.number for comparison in undecided if comparison.next is not None]
    if len(looks) < len(undecided):
        return ()
    return tuple(comparison for comparison, look in zip(undecided, looks, strict=True) if look == min(looks))


def _wanted(
    paired: Paired, asking: Sequence[ComparisonResult | Improvement], reported: Sequence[ComparisonResult] = ()
) -> tuple[str, ...]:
    """Name the tasks that the next looks lack, and with them those that are only reported."""
    last = max((comparison.next.number for comparison in asking if comparison.next), default=-1)
    along = [comparison for comparison in reported if comparison.next is not None and comparison.next.number <= last]
    rows = [comparison.open for comparison in (*asking, *along)]
    return tuple(paired.entries[row].task for row in np.unique(np.concatenate(rows))) if rows else ()


def _reason(name: str, verdict: GateVerdict, parts: Sequence[GatePart], better: Improvement) -> str:
    if not parts[0].tasks:
        return f"{name}: no task has been played by both policies"
    if verdict is GateVerdict.HOLDS:
        improved = " and improved" if better.shown else ""
        return f"{name} holds{improved}: {figures(parts[0])}, p = {better.chance:.2g}"
    blamed = [part for part in parts if part.verdict is verdict and part.decides]
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
