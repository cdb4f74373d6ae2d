"""Calibrate the gates by simulation: how often they promote what they should not, and what they should.

Every candidate is judged by the gates' own comparisons on simulated plays of known pass rates. Prints tables and JSON.

    python benchmarks/gates.py [--quick] [--only NAME ...] [--suites NAME ... | --real DEPTH BREADTH] [--json FILE]
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.gates.breadth import Breadth
from loop.gates.comparison import Looks, compare, gain
from loop.gates.depth import Depth
from loop.gates.judging import Judging
from loop.gates.looks import attempt_share
from loop.gates.pairing import Paired
from loop.gates.power import Conditions, power
from loop.gates.statistics import chance, resamples
from loop.types import GatePart, GateVerdict
from task_generators.suites import suite

Floats = NDArray[np.float64]
WORSE, BETTER, MOST = 0.10, 0.10, 32


@dataclass(frozen=True)
class Suites:
    """Which backends each task of breadth plays, and how many tasks depth has."""

    name: str
    depth: int
    breadth: tuple[frozenset[str], ...]

    @property
    def backends(self) -> list[str]:
        """Every backend of breadth."""
        return sorted(frozenset[str]().union(*self.breadth))

    def rows(self, backend: str) -> list[int]:
        """Tasks that play a backend."""
        return [row for row, backends in enumerate(self.breadth) if backend in backends]


def quick() -> Suites:
    """The suites of the quickstart: 60 and 60 tasks, two backends."""
    return Suites("quick", 60, tuple(frozenset({name}) for name in ("Trading", "Travel") for _ in range(30)))


def full() -> Suites:
    """The full suites: 72 file tasks; 160 generated over eight backends and their pairs, and the 52 of BFCL."""
    names = ("Math", "Message", "SQL", "Ticket", "Trading", "Travel", "Twitter", "Vehicle")
    singles = [frozenset({name}) for name in names for _ in range(13)]
    pairs = [frozenset({names[i % 8], names[(i + 1 + i // 8) % 8]}) for i in range(56)]
    bfcl = [frozenset({name}) for name, n in (("Trading", 20), ("Vehicle", 19), ("Travel", 13)) for _ in range(n)]
    return Suites("full", 72, (*singles, *pairs, *bfcl))


def real(depth: str, breadth: str) -> Suites:
    """Take the shape of two of loopd's own frozen suites."""
    tasks = suite(breadth).tasks
    return Suites(f"{depth}/{breadth}", len(suite(depth).tasks), tuple(frozenset(task.backends) for task in tasks))


@dataclass(frozen=True)
class Truth:
    """The true pass rates of one policy on both suites."""

    depth: Floats
    breadth: Floats


@dataclass
class Tally:
    """What became of the candidates of one kind."""

    promoted: int = 0
    judged: int = 0
    plays: list[int] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Rate, its 95 % interval (Wilson), plays of a decision, verdicts."""
        low, high = wilson(self.promoted, self.judged)
        rate = {"promoted": self.promoted, "of": self.judged, "low": round(low, 4), "high": round(high, 4)}
        if not self.plays:
            return {**rate, "verdicts": self.verdicts}
        plays = {"plays_median": int(np.median(self.plays)), "plays_p90": int(np.quantile(self.plays, 0.9))}
        return {**rate, **plays, "verdicts": self.verdicts}


def wilson(wins: int, plays: int) -> tuple[float, float]:
    """The 95 % interval of a rate."""
    z, p = 1.96, wins / plays
    centre, half = p + z * z / (2 * plays), z * np.sqrt(p * (1 - p) / plays + z * z / (4 * plays**2))
    return (centre - half) / (1 + z * z / plays), (centre + half) / (1 + z * z / plays)


# --- candidates of known worth ---------------------------------------------------------------------------------------


def champion(suites: Suites, rng: np.random.Generator) -> Truth:
    """Draw a champion whose tasks go mostly well or mostly badly: rates of mean 0.67, mean p(1-p) 0.14."""
    return Truth(rng.beta(1.2, 0.6, suites.depth), rng.beta(1.2, 0.6, len(suites.breadth)))


def equal(old: Truth, suites: Suites, rng: np.random.Generator) -> Truth:
    """Nothing changes."""
    del suites, rng
    return old


def churned(old: Truth, suites: Suites, rng: np.random.Generator) -> Truth:
    """Nothing changes on average, but every task's rate does, by 0.1 in the mean square, one way or the other."""
    del suites
    return Truth(_churn(old.depth, 0.1, rng), _churn(old.breadth, 0.1, rng))


def deeper(old: Truth, suites: Suites, rng: np.random.Generator) -> Truth:
    """Ten points better on depth, equal elsewhere."""
    del suites, rng
    return Truth(_raised(old.depth, BETTER), old.breadth)


def deeper_churned(old: Truth, suites: Suites, rng: np.random.Generator) -> Truth:
    """Ten points better on depth, elsewhere equal on average but changed task by task."""
    changed = churned(old, suites, rng)
    return Truth(_raised(old.depth, BETTER), changed.breadth)


def worse(shape: Callable[[Floats], Floats]) -> Callable[[Truth, Suites, np.random.Generator], Truth]:
    """Ten points worse on one backend, fifteen better on everything else, depth included."""

    def made(old: Truth, suites: Suites, rng: np.random.Generator) -> Truth:
        rows = suites.rows(str(rng.choice(suites.backends)))
        new = _raised(old.breadth, 0.15)
        new[rows] = shape(old.breadth[rows])
        return Truth(_raised(old.depth, 0.15), new)

    return made


def spread_loss(old: Floats) -> Floats:
    """Lose ten points on every task of the backend, as nearly as the rates allow."""
    return 1 - _raised(1 - old, WORSE)


def concentrated_loss(old: Floats) -> Floats:
    """Lose the best tasks altogether, until ten points are gone."""
    new, left = old.copy(), WORSE * len(old)
    for row in np.argsort(-old):
        taken = min(left, new[row])
        new[row], left = new[row] - taken, left - taken
    return new


def _raised(rates: Floats, by: float) -> Floats:
    """Raise the mean by `by`, every task by the same part of what it lacks."""
    missing = 1 - rates
    return rates + missing * min(1.0, by / missing.mean())


def _churn(rates: Floats, size: float, rng: np.random.Generator) -> Floats:
    room = np.minimum(np.minimum(rates, 1 - rates), size)
    changed = rates + rng.choice([-1.0, 1.0], len(rates)) * room
    return np.clip(changed, 0, 1)


# --- judging ---------------------------------------------------------------------------------------------------------


@cache
def weights(tasks: int) -> Floats:
    """Bootstrap weights, drawn once a size."""
    return resamples(tasks + 2)


def played(rates: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Play every task `MOST` times: passes among the first 1, 2, 3 … plays."""
    return np.cumsum(rng.random((len(rates), MOST)) < rates[:, None], axis=1)


def paired(old: NDArray[np.int64], new: NDArray[np.int64], backends: tuple[frozenset[str], ...]) -> Paired:
    """Lay both policies' plays side by side."""
    names = tuple(f"{row:04d}" for row in range(len(backends)))
    return Paired(names, backends, np.full(len(backends), MOST), old, new)


def settle(gate: Judging, both: Paired) -> tuple[GateVerdict, NDArray[np.int64], int]:
    """Judge as the gate would, look by look: the verdict, each task's plays, the look of a failure (or `MOST`)."""
    looks = Looks(gate.first, MOST, gate.level)
    groups = {"overall": list(range(len(both.tasks))), **gate._groups(both)}  # noqa: SLF001 - the gate's own groups
    margins = {name: gate.margin if name == "overall" else gate._margin(name) for name in groups}  # noqa: SLF001
    parts = [
        (rows, compare(name, both.only(rows), margins[name], looks, weights(len(rows))))
        for name, rows in groups.items()
    ]
    return _verdict([part for _, part in parts]), *_plays(parts, len(both.tasks))


def _plays(parts: list[tuple[list[int], GatePart]], tasks: int) -> tuple[NDArray[np.int64], int]:
    failed = min((part.look for _, part in parts if part.verdict is GateVerdict.FAILS), default=MOST)
    plays = np.ones(tasks, dtype=np.int64)
    for rows, part in parts:
        plays[rows] = np.maximum(plays[rows], min(part.look, failed))
    return plays, failed


def _verdict(parts: list[GatePart]) -> GateVerdict:
    verdicts = {part.verdict for part in parts}
    order = (GateVerdict.FAILS, GateVerdict.INCONCLUSIVE, GateVerdict.HOLDS)
    return next(verdict for verdict in order if verdict in verdicts)


def improved(gate: Judging, both: Paired, attempt: int) -> bool:
    """Whether the gate finds the candidate better at any look."""
    return gain(both, Looks(gate.first, MOST, gate.level * gate.share * attempt_share(attempt)))[2]


def judge(suites: Suites, old: Truth, new: Truth, rng: np.random.Generator, tally: Tally) -> None:
    """Let both gates judge one candidate in its first attempt."""
    depth = paired(played(old.depth, rng), played(new.depth, rng), (frozenset({"files"}),) * suites.depth)
    breadth = paired(played(old.breadth, rng), played(new.breadth, rng), suites.breadth)
    one, other = settle(Depth(), depth), settle(Breadth(), breadth)
    stop = min(one[2], other[2])
    holds = one[0] is GateVerdict.HOLDS and other[0] is GateVerdict.HOLDS
    better = holds and (improved(Depth(), depth, 1) or improved(Breadth(), breadth, 1))
    tally.judged += 1
    tally.promoted += better
    tally.plays.append(int(sum(np.minimum(plays, stop).sum() for _, plays, _ in (one, other))))
    word = f"depth {one[0]}, breadth {other[0]}" + ("" if better or not holds else ", no gain")
    tally.verdicts[word] = tally.verdicts.get(word, 0) + 1


def chain(suites: Suites, make: Callable[..., Truth], attempts: int, rng: np.random.Generator) -> bool:
    """Try so many candidates against one champion, whose plays are made once; whether any is promoted."""
    old = champion(suites, rng)
    base = played(old.depth, rng), played(old.breadth, rng)
    for attempt in range(1, attempts + 1):
        new = make(old, suites, rng)
        depth = paired(base[0], played(new.depth, rng), (frozenset({"files"}),) * suites.depth)
        breadth = paired(base[1], played(new.breadth, rng), suites.breadth)
        if improved(Depth(), depth, attempt) or improved(Breadth(), breadth, attempt):
            both = (settle(Depth(), depth)[0], settle(Breadth(), breadth)[0])
            if both == (GateVerdict.HOLDS, GateVerdict.HOLDS):
                return True
    return False


# --- the experiments -------------------------------------------------------------------------------------------------

CANDIDATES: dict[str, Callable[[Truth, Suites, np.random.Generator], Truth]] = {
    "equal": equal,
    "equal, churned": churned,
    "depth +10": deeper,
    "depth +10, churned": deeper_churned,
    "one backend -10, spread": worse(spread_loss),
    "one backend -10, concentrated": worse(concentrated_loss),
}


def single(suites: Suites, runs: int, seed: int, kinds: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Judge `runs` candidates of every kind, once each."""
    for number, (name, make) in enumerate(CANDIDATES.items()):
        if name not in kinds:
            continue
        rng, tally = np.random.default_rng([seed, number]), Tally()
        for _ in range(runs):
            old = champion(suites, rng)
            judge(suites, old, make(old, suites, rng), rng, tally)
        yield name, tally.row()


def chains(suites: Suites, runs: int, seed: int, attempts: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Try equal candidates again and again against one champion."""
    for number, name in enumerate(("equal", "equal, churned")):
        rng = np.random.default_rng([seed, 100 + number])
        tally = Tally(judged=runs, promoted=sum(chain(suites, CANDIDATES[name], attempts, rng) for _ in range(runs)))
        yield f"{name}, any of {attempts} attempts", tally.row()


def powers(runs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Set the power by formula beside the exact test's on simulated plays, at one look with the whole error."""
    rng = np.random.default_rng([seed, 200])
    for tasks in (52, 60, 72, 150, 212):
        for k in (1, 4, 8, 16, 32):
            for delta in (0.05, 0.10):
                proven, noise = _proven(tasks, k, delta, runs, rng)
                cell = power([tasks], [k], [delta], Conditions(noise=noise))[0]
                yield {**cell.model_dump(), "noise": round(noise, 3), "simulated": proven}


def _proven(tasks: int, k: int, delta: float, runs: int, rng: np.random.Generator) -> tuple[float, float]:
    proven, noise = 0, 0.0
    for _ in range(runs):
        old = rng.beta(1.2, 0.6, tasks)
        new = _raised(old, delta)
        proven += chance(rng.binomial(k, new) - rng.binomial(k, old)) <= 0.05  # noqa: PLR2004 - the usual error
        noise += float((old * (1 - old) + new * (1 - new)).mean()) / 2
    return proven / runs, noise / runs


def main() -> None:
    """Run the experiments and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the runs")
    parser.add_argument(
        "--only", nargs="*", choices=("single", "chains", "power"), default=["single", "chains", "power"]
    )
    parser.add_argument("--suites", nargs="*", choices=("quick", "full"), default=["quick", "full"])
    parser.add_argument("--kinds", nargs="*", choices=list(CANDIDATES), default=list(CANDIDATES))
    parser.add_argument("--real", nargs=2, metavar=("DEPTH", "BREADTH"), help="names of loopd's suites, instead")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    runs = given.runs // 20 if given.quick else given.runs
    found: dict[str, Any] = {"runs": runs, "seed": given.seed}
    chosen = [real(*given.real)] if given.real else [made for made in (quick(), full()) if made.name in given.suites]
    for suites in chosen:
        if "single" in given.only:
            found[f"single {suites.name}"] = _shown(suites, single(suites, runs, given.seed, given.kinds))
        if "chains" in given.only:
            found[f"chains {suites.name}"] = _shown(suites, chains(suites, runs, given.seed, 20))
    if "power" in given.only:
        found["power"] = [_cell(cell) for cell in powers(runs, given.seed)]
    text = json.dumps(found, indent=1)
    (given.json.write_text(text) if given.json else sys.stdout.write(text + "\n"))


def _shown(suites: Suites, rows: Iterator[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    shown = {}
    for name, row in rows:
        print(
            f"{suites.name:6} {name:40} {row['promoted']:5}/{row['of']} [{row['low']:.3f}, {row['high']:.3f}]", end=" "
        )
        print(row.get("plays_median", ""), row.get("plays_p90", ""), row["verdicts"] or "", flush=True)
        shown[name] = row
    return shown


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    print(
        f"n={cell['tasks']:4} k={cell['samples']:3} delta={cell['delta']:.2f} "
        f"power {cell['improves']:.2f} simulated {cell['simulated']:.2f} holds {cell['holds']:.2f}"
    )
    return cell


if __name__ == "__main__":
    main()
