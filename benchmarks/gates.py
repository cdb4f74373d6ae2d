"""Calibrate the gates of the shipped profiles: how often they promote what they should not, and what they should.

Candidates of known worth are judged by simulation with the gates' own questions, looks and tests (`loop.gates.power`).

    python -m benchmarks.gates [--runs N] [--churn SHARE] [--seed N] [--write | --sizes DEPTH BACKEND ... | --creep]

`--write` puts the table into docs/gates.md, where a test holds it to the profiles.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import JsonValue
from scipy.special import ndtri

from loop import plugins
from loop.canonical import digest
from loop.gates.breadth import Breadth
from loop.gates.depth import Depth
from loop.gates.judging import Judging
from loop.gates.pairing import Bools, Floats
from loop.gates.power import CHURN, WORTHS, Chances, chances, in_a_row
from loop.gates.simulation import Bench
from loop.gates.statistics import score_bounds
from loop.stages.soundness import known_flaws
from loop.store.soundness import UNSOUND
from loop.types import Entry, Novelty, Part, Tier
from task_generators.suites import suite

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "gates.md"
PROFILES: Final = ("quickstart", "mac-studio")
BEGIN: Final = "<!-- written by: python -m benchmarks.gates --write -->"
END: Final = "<!-- end -->"
IN_A_ROW: Final = 20
ROUNDS: Final = 12
START: Final = 0.85
"""The pass rate that a backend is bled from."""


def benches(profile: str) -> list[Bench]:
    """Set the gates of a shipped profile beside the sound tasks of their suites."""
    gating = tomllib.loads((ROOT / "loop" / "profiles" / f"{profile}.toml").read_text())["gating"]
    gates: list[Judging] = [plugins.load("loop.gates", Part(**part)) for part in gating["gates"]]
    return [_bench(gate.within(gating["max_samples"])) for gate in gates]


def _bench(gate: Judging) -> Bench:
    frozen = suite(gate.suite)
    unsound = {flaw.task for flaw in known_flaws(frozen) if flaw.kind == UNSOUND}
    return Bench(gate, tuple(task.entry for task in frozen.tasks if task.id not in unsound))


def made(depth: int, each: int, backends: int = 9) -> list[Bench]:
    """Set the gates, as they come, beside suites of a size: so many tasks in depth, so many a backend in breadth."""
    return [
        Bench(Depth().within(1), _taking_turns(1, depth)),
        Bench(Breadth().within(1), _taking_turns(backends, each)),
    ]


def _taking_turns(backends: int, each: int) -> tuple[Entry, ...]:
    """Make up a suite whose backends take turns, and whose words are known and new in turn."""
    words = (Novelty.KNOWN, Novelty.WORDS)
    return tuple(
        Entry(task=f"{n:05}", backends=(f"{n % backends}",), tier=Tier.EASY, novelty=words[n // backends % 2])
        for n in range(backends * each)
    )


def shape(profile: Sequence[Bench]) -> str:
    """Name what a table depends on: the gates' settings, and what kinds of tasks their suites have in which order."""
    told: list[JsonValue] = []
    for bench in profile:
        entries = [entry.model_dump(mode="json", exclude={"task", "tier"}) for entry in bench.entries]
        told += [bench.gate.model_dump(mode="json"), *entries]
    return digest(told)[:12]


def table(shipped: Mapping[str, list[Bench]], runs: int, churn: float, seed: int) -> Iterator[str]:
    """Spell the table: candidates down, profiles across."""
    yield BEGIN
    for profile, found in shipped.items():
        sizes = ", ".join(f"{bench.gate.name} {len(bench.entries)}" for bench in found)
        yield f"`{profile}` (`{shape(found)}`): {sizes} tasks. "
    yield f"{runs} candidates a row, seed {seed}; a refit changes {churn:.0%} of the tasks."
    yield ""
    yield "| candidate | " + " | ".join(f"{name}: promoted | plays (90 %)" for name in shipped) + " |"
    yield "|---|" + "---|" * (2 * len(shipped))
    judged = {name: list(chances(found, churn=churn, runs=runs, seed=seed)) for name, found in shipped.items()}
    for row, worth in enumerate(WORTHS):
        yield f"| {worth.name} | " + " | ".join(_cells(found[row]) for found in judged.values()) + " |"
    chains = (in_a_row(found, IN_A_ROW, churn=churn, runs=runs // 10, seed=seed) for found in shipped.values())
    yield f"| equal, any of {IN_A_ROW} in a row | " + " | ".join(f"{100 * share:.1f} % | " for share in chains) + " |"
    yield END


def bled(tasks: int, runs: int, churn: float, seed: int, *, reference: bool) -> Floats:
    """Bleed one backend: twelve candidates in turn, each 3 to 7 points worse there than the champion, better elsewhere.

    Answers with what the backend's true pass rate has lost in each run. A task's outcome under two policies agrees as
    often as `churn` lets it; only the comparisons on this backend are made, as if all others held.
    """
    rng = np.random.default_rng([seed, tasks])
    own, rate = _own_share(churn, rng), np.full(runs, START)
    latent = rng.standard_normal((runs, tasks))
    former = _plays(rate, latent, own, rng)[:, None]
    for _ in range(ROUNDS):
        worse = rate - rng.uniform(0.03, 0.07, runs)
        candidate = _plays(worse, latent, own, rng)
        held = _held(candidate, former[:, -1])
        if reference:
            best = former.mean(axis=2).argmax(axis=1)
            held &= _held(candidate, former[np.arange(runs), best])
        rate = np.where(held, worse, rate)
        champion = np.where(held[:, None], candidate, former[:, -1])
        former = np.concatenate([former, champion[:, None]], axis=1)
    return START - rate


def _held(candidate: Bools, champion: Bools) -> Bools:
    won, lost = (candidate & ~champion).sum(axis=1), (champion & ~candidate).sum(axis=1)
    gate = Breadth().within(1)
    last = gate.looks.steps(np.arange(candidate.shape[1]), candidate.shape[1])[-1]
    return np.asarray(score_bounds(won, lost, candidate.shape[1], last.error)[0] > -gate.backend_margin)


def _plays(rate: Floats, latent: Floats, own: float, rng: np.random.Generator) -> Bools:
    """Pass a task where what it takes, for all policies alike and for this one, lies below the policy's threshold."""
    mixed = np.sqrt(1 - own) * latent + np.sqrt(own) * rng.standard_normal(latent.shape)
    return np.asarray(mixed < ndtri(rate)[:, None])


def _own_share(churn: float, rng: np.random.Generator) -> float:
    """Find how much of a task's outcome is the policy's own, so that two equal policies differ on `churn` of them."""
    latent, rate = rng.standard_normal((1, 20_000)), np.full(1, START)
    shares = np.linspace(0.02, 0.98, 49)
    changed = [(_plays(rate, latent, own, rng) != _plays(rate, latent, own, rng)).mean() for own in shares]
    return float(shares[int(np.argmin(np.abs(np.array(changed) - churn)))])


def creep(runs: int, churn: float, seed: int) -> Iterator[str]:
    """Spell what a backend loses, by its number of tasks, without and with the second reference."""
    yield "| tasks of the backend | lost without the best ever: mean, 95 % of runs at most | with it |"
    yield "|---|---|---|"
    for tasks in (60, 90, 150, 230):
        cells = [bled(tasks, runs, churn, seed, reference=second) for second in (False, True)]
        figures = [f"{100 * lost.mean():.1f}, {100 * np.quantile(lost, 0.95):.1f}" for lost in cells]
        yield f"| {tasks} | " + " | ".join(figures) + " |"


def _cells(found: Chances) -> str:
    return f"{100 * found.promoted:.1f} % | {found.plays} ({found.plays_90})"


def write(lines: Sequence[str], document: Path = DOCUMENT) -> None:
    """Put the table where the old one is."""
    text = document.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    document.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def main() -> None:
    """Make the table, print it, and write it down if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--churn", type=float, default=CHURN)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--write", action="store_true")
    parser.add_argument(
        "--sizes",
        nargs=2,
        type=int,
        action="append",
        default=[],
        metavar=("DEPTH", "BACKEND"),
        help="instead of profiles",
    )
    parser.add_argument("--creep", action="store_true", help="bleed one backend for twelve rounds instead")
    given = parser.parse_args()
    if given.creep:
        sys.stdout.write("\n".join(creep(given.runs, given.churn, given.seed)) + "\n")
        return
    sizes = {f"{depth} + 9 x {each}": made(depth, each) for depth, each in given.sizes}
    shipped = sizes or {profile: benches(profile) for profile in PROFILES}
    lines = list(table(shipped, given.runs, given.churn, given.seed))
    sys.stdout.write("\n".join(lines) + "\n")
    if given.write and not given.sizes:
        write(lines)


if __name__ == "__main__":
    main()
