"""What the curriculum is worth, on a student whose learning curves are known, and how long choosing takes.

Every arm's pass rate is a logistic function of skill minus difficulty; skill grows with the logarithm of the accepted
plays in the dataset, a little also with those of related arms, and is lost as old plays leave the dataset, since each
round trains from the base model. Samplers get the same plays a round. Prints tables and JSON.

    python benchmarks/learning_curves.py [--quick] [--worlds NAME ...] [--json FILE]
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curriculum.hardest import Hardest
from curriculum.posterior import inherit, update
from curriculum.sampler import Sampler
from curriculum.thompson import Thompson
from curriculum.uniform import Uniform
from loop.types import Arm, ArmKey, Tier

Floats = NDArray[np.float64]
BACKENDS = ("files", "math", "message", "sql", "ticket", "trading", "travel", "twitter", "vehicle")
PAIRS = tuple((BACKENDS[i], BACKENDS[(i + 2) % 9]) for i in range(9))
FAMILIES = 4
DIFFICULTY = {Tier.EASY: 0.5, Tier.MODERATE: 2.0, Tier.HARD: 4.0, Tier.VERYHARD: 6.0}
TASKS, SAMPLES, CAP = 64, 4, 4
SAMPLERS: dict[str, Sampler] = {
    "thompson": Thompson(samples=SAMPLES),
    "thompson, all open": Thompson(samples=SAMPLES, free=frozenset(Tier)),
    "uniform": Uniform(samples=SAMPLES, floor=0),
    "hardest first": Hardest(samples=SAMPLES, floor=0),
}


def keys() -> tuple[ArmKey, ...]:
    """Nine backends alone and nine pairs, with four families and four tiers each."""
    groups = [(backend,) for backend in BACKENDS] + list(PAIRS)
    return tuple(ArmKey(backends=b, family=f"f{f}", tier=t) for b in groups for f in range(FAMILIES) for t in Tier)


MEMBERS = np.array([[backend in key.backends for key in keys()] for backend in BACKENDS])
"""[backends, arms]: which arms play a backend."""
MASTERED, EDGE = 0.9, (0.3, 0.7)


@dataclass(frozen=True)
class World:
    """What is assumed of learning."""

    family: float = 0.4
    """What an accepted play counts for the other tiers of its family."""
    backend: float = 0.1
    """What it counts for other arms of its backends."""
    kept: float = 0.8
    """What is left of a round's accepted plays in the dataset one round later."""

    def transfer(self, one: ArmKey, other: ArmKey) -> float:
        """How much an accepted play of `other` counts for `one`."""
        if one == other:
            return 1.0
        if (one.backends, one.family) == (other.backends, other.family):
            return self.family
        return self.backend if set(one.backends) & set(other.backends) else 0.01


WORLDS = {
    "usual": World(),
    "no transfer": World(0.0, 0.0),
    "strong transfer": World(0.7, 0.3),
    "forgetful": World(kept=0.5),
}


@dataclass
class Student:
    """A student whose learning curves are known."""

    difficulty: Floats
    transfer: Floats
    """[arms, arms]: how much one accepted play of an arm counts for another."""
    accepted: Floats
    """[arms]: accepted plays in the dataset."""
    kept: float

    @property
    def rates(self) -> Floats:
        """True pass rates."""
        skill = 1.6 * np.log1p(self.transfer @ self.accepted / 2)
        return 1 / (1 + np.exp(self.difficulty - skill))

    def train(self, wins: Floats) -> None:
        """Train from base on what is left of the old dataset and the new wins."""
        self.accepted = self.kept * self.accepted + wins


def student(arms: Sequence[ArmKey], world: World, rng: np.random.Generator) -> Student:
    """Draw difficulties: by tier, by backend (some are foreign to the base model), by family."""
    backend = dict(zip(BACKENDS, rng.normal(0, 0.8, len(BACKENDS)), strict=True))
    family = {(key.backends, key.family): rng.normal(0, 0.5) for key in arms}
    difficulty = [
        DIFFICULTY[key.tier]
        + float(np.mean([backend[name] for name in key.backends]))
        + family[key.backends, key.family]
        + 0.8 * (len(key.backends) - 1)
        for key in arms
    ]
    transfer = np.array([[world.transfer(one, other) for other in arms] for one in arms])
    return Student(np.array(difficulty), transfer, np.zeros(len(arms)), world.kept)


def live(sampler: Sampler, world: World, rounds: int, seed: int) -> dict[str, float]:
    """Carry one student through so many rounds; report what the plays brought."""
    names = keys()
    pupil, rng = student(names, world, np.random.default_rng([seed, 1])), np.random.default_rng([seed, 2])
    arms, place = [Arm(key=key) for key in names], {key: row for row, key in enumerate(names)}
    seen: list[dict[str, float]] = []
    for number in range(1, rounds + 1):
        chosen = sampler.pick(arms, names, TASKS, random.Random(seed * 1000 + number), number)
        rows = np.array([place[request.arm] for request in chosen])
        wins = rng.binomial(SAMPLES, pupil.rates[rows])
        seen.append(figures(pupil.rates[rows], wins, rows))
        arms = [inherit(arm) for arm in learned(arms, rows, wins, number)]
        pupil.train(np.bincount(rows, np.minimum(wins, CAP), len(names)))
        seen[-1]["rate"] = float(pupil.rates.mean())
    found = {name: statistics.fmean(each[name] for each in seen) for name in seen[0]}
    poorest = min(float(pupil.rates[members].mean()) for members in MEMBERS)
    return {**found, "least": min(each["least"] for each in seen), "final": seen[-1]["rate"], "poorest": poorest}


def figures(rates: Floats, wins: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[str, float]:
    """Sum up a round: wins a play, those on what is not mastered, tasks at 30-70 %, the least backend's share."""
    return {
        "wins": float(wins.mean() / SAMPLES),
        "useful": float((wins * (rates < MASTERED)).mean() / SAMPLES),
        "edge": float(((rates >= EDGE[0]) & (rates <= EDGE[1])).mean()),
        "least": float(MEMBERS[:, rows].mean(axis=1).min()),
    }


def learned(arms: Sequence[Arm], rows: NDArray[np.int64], wins: NDArray[np.int64], number: int) -> list[Arm]:
    """Update the posteriors with a round's plays."""
    plays = SAMPLES * np.bincount(rows, minlength=len(arms))
    won = np.bincount(rows, wins, len(arms)).astype(int)
    return [update(arm, int(won[row]), int(plays[row]), number) for row, arm in enumerate(arms)]


def compare(world: World, rounds: int, seeds: int) -> dict[str, dict[str, Any]]:
    """Run every sampler on the same students."""
    lives = {name: [live(sampler, world, rounds, seed) for seed in range(seeds)] for name, sampler in SAMPLERS.items()}
    found: dict[str, dict[str, Any]] = {}
    for name, runs in lives.items():
        found[name] = {figure: round(statistics.fmean(run[figure] for run in runs), 3) for figure in runs[0]}
        found[name]["least"] = round(min(run["least"] for run in runs), 3)
        for figure in ("final", "useful", "wins"):
            gains = [one[figure] - other[figure] for one, other in zip(lives["thompson"], runs, strict=True)]
            found[name][f"thompson better in {figure}"] = _interval(gains)
    return found


def _interval(gains: Sequence[float]) -> list[float]:
    """Mean and 95 % interval over the seeds (bootstrap)."""
    draws = np.random.default_rng(0).choice(np.array(gains), (4000, len(gains))).mean(axis=1)
    return [round(float(value), 3) for value in (np.mean(gains), *np.quantile(draws, [0.025, 0.975]))]


def timing(tasks: int = 1000, count: int = 10_000, rows: int = 1_000_000, repeats: int = 15) -> dict[str, Any]:
    """Time choosing `tasks` tasks from `count` arms, whose posteriors were learned from `rows` task rows."""
    draws = np.random.default_rng(0)
    names = [
        ArmKey(backends=(BACKENDS[i % 9],), family=f"f{i // 36}", tier=tuple(Tier)[i // 9 % 4]) for i in range(count)
    ]
    wins = np.bincount(draws.integers(0, count, rows), draws.random(rows) < 0.5, count).astype(int)  # noqa: PLR2004
    arms = [
        update(Arm(key=key), int(won), rows // count * 2, int(number % 7))
        for number, (key, won) in enumerate(zip(names, wins, strict=True))
    ]
    sampler, spent = Thompson(), []
    for number in range(repeats):
        began = time.process_time()
        requests = sampler.pick(arms, names, tasks, random.Random(number), 8)
        spent.append(1000 * (time.process_time() - began))
        assert len({(request.arm, request.seed) for request in requests}) == tasks
    return {"arms": count, "rows": rows, "tasks": tasks, "median_ms": round(statistics.median(spent), 1)}


def main() -> None:
    """Run the comparison and the timing, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three students, eight rounds")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", nargs="*", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rounds, seeds = (8, 3) if given.quick else (given.rounds, given.seeds)
    found: dict[str, Any] = {"rounds": rounds, "seeds": seeds, "timing": timing()}
    for name in given.worlds:
        found[name] = compare(WORLDS[name], rounds, seeds)
        for sampler, row in found[name].items():
            print(
                f"{name:16} {sampler:20}", "  ".join(f"{figure} {value}" for figure, value in row.items()), flush=True
            )
    print(found["timing"])
    text = json.dumps(found, indent=1)
    (given.json.write_text(text) if given.json else sys.stdout.write(text + "\n"))


if __name__ == "__main__":
    main()
