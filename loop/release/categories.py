"""What training did to each category: base beside tuned, task by task, regressions first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from loop.gates.comparison import INTERVAL, NOTHING
from loop.gates.judging import OVERALL
from loop.gates.pairing import Ints, Paired, by_backend, pair
from loop.gates.statistics import bounds
from loop.types import Record, Score

POINTS: Final = 0.03
"""The gain that a release is held against."""
KINDS: Final = ("overall", "backend", "family", "tier", "words")


class Category(Record):
    """One category of a suite. Rates lie in 0..1; `delta` is tuned minus base, paired by task."""

    suite: str
    kind: str
    name: str
    tasks: int
    samples: int
    """Plays a task, of each of the two, at least."""
    tuned: float
    base: float | None = None
    """None where the base was never measured so."""
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    """The two-sided 95 % interval of `delta`."""

    @property
    def lost(self) -> bool:
        """Whether it is worse beyond doubt."""
        return self.high is not None and self.high < 0


class SuiteGain(Record):
    """The gain over all suites that gates measure on, each task counted once."""

    tasks: int
    samples: int
    base: float
    tuned: float
    delta: float
    low: float
    high: float
    suites: tuple[str, ...]

    @property
    def above(self) -> bool:
        """Whether it reaches the gate."""
        return self.delta >= POINTS


def categories(suite: str, base: Sequence[Score], tuned: Sequence[Score]) -> tuple[Category, ...]:
    """Compare one suite category by category."""
    return in_order(category for kind in KINDS for category in _of_kind(suite, kind, base, tuned))


def in_order(categories: Iterable[Category]) -> tuple[Category, ...]:
    """Put the greatest loss first; whole suites stand before all."""
    return tuple(
        sorted(
            categories,
            key=lambda category: (
                category.kind != OVERALL,
                category.delta or 0.0,
                category.suite,
                category.kind,
                category.name,
            ),
        )
    )


def gain(measured: Mapping[str, tuple[Sequence[Score], Sequence[Score]]]) -> SuiteGain | None:
    """Give the gain over several suites together; None where base and tuned share no task."""
    base = _once([side[0] for side in measured.values()])
    tuned = _once([side[1] for side in measured.values()])
    paired = pair(base, tuned)
    rows = paired.played
    if not len(rows):
        return None
    return SuiteGain(suites=tuple(sorted(measured)), **_sizes(paired, rows), **_figures(paired, rows))


def sentence(gain: SuiteGain | None) -> str:
    """Say the one thing that a reader must not miss."""
    gate = f"the gate of +{100 * POINTS:.0f} points"
    if gain is None:
        return f"Published without a measurement against {gate}: the base was not measured on the same tasks."
    word = "above" if gain.above else "below"
    doubt = " The interval reaches to both sides of the gate." if gain.low < POINTS <= gain.high else ""
    return (
        f"Published {word} {gate}: {100 * gain.delta:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}], "
        f"tuned minus base, over {gain.tasks} tasks x {gain.samples} of {', '.join(gain.suites)}.{doubt}"
    )


def _once(sides: Sequence[Sequence[Score]]) -> list[Score]:
    return list({(score.task, score.sample): score for side in sides for score in side}.values())


def _of_kind(suite: str, kind: str, base: Sequence[Score], tuned: Sequence[Score]) -> Iterator[Category]:
    old, new = _named(kind, base), _named(kind, tuned)
    both, alone = pair(old, new), pair(new, new)
    shared = {name: _played(both, rows) for name, rows in by_backend(both.entries).items()}
    for name, mine in by_backend(alone.entries).items():
        rows = shared.get(name, NOTHING)
        categories = _compared(both, rows) if len(rows) else _alone(alone, mine)
        yield Category(suite=suite, kind=kind, name=name, **categories)


def _named(kind: str, scores: Sequence[Score]) -> list[Score]:
    """Put the category's name where the pairing groups by: a task of two backends counts for both."""
    if kind == "backend":
        return list(scores)
    return [score.model_copy(update={"backends": (name,)}) for score in scores if (name := _name(kind, score))]


def _name(kind: str, score: Score) -> str:
    words = {"overall": OVERALL, "family": score.family, "tier": str(score.tier), "words": score.novelty or ""}
    return str(words[kind])


def _played(paired: Paired, rows: Ints) -> Ints:
    return rows[paired.plays[rows] > 0]


def _compared(paired: Paired, rows: Ints) -> dict[str, Any]:
    return {**_sizes(paired, rows), **_figures(paired, rows)}


def _alone(tuned: Paired, rows: Ints) -> dict[str, Any]:
    return {**_sizes(tuned, rows), "tuned": float(tuned.rates(rows)[1].mean())}


def _sizes(paired: Paired, rows: Ints) -> dict[str, int]:
    return {"tasks": len(rows), "samples": int(paired.plays[rows].min())}


def _figures(paired: Paired, rows: Ints) -> dict[str, float]:
    old, new = paired.rates(rows)
    low, high = bounds(new - old, int(paired.plays[rows].min()), INTERVAL)
    rates = {"base": float(old.mean()), "tuned": float(new.mean())}
    return {**rates, "delta": float((new - old).mean()), "low": low, "high": high}
