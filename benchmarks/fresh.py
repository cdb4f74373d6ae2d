"""How good are a home's policies at tasks that no gate has and no dataset held? One greedy play of each, by tier.

The quickstart's settings were chosen with its suites in view, so its gates flatter it. These tasks are drawn anew from
the training seeds of the arms that the home's profile allows; what is like a task of a gate's suite or its sealed twin,
or shares a leak group with anything that the home ever played, is left out and drawn again.

    LOOPD_HOME=DIR python -m benchmarks.fresh [--tasks 6] [--seed 1] [--policies N] [--profile quickstart] [--json FILE]

The daemon must not be running there. `--tasks` counts per arm; `--policies` takes the candidates of the latest so many
rounds, promoted or not. Some five minutes for the 108 plays of a policy on two cores.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from loop import config, parts
from loop.control.progress import Board
from loop.parts import Loop
from loop.rollout.play import play
from loop.runtime import lock, paths, query
from loop.runtime.gpu import addressed
from loop.runtime.signals import Stop
from loop.stages import training
from loop.types import Play, Policy, Task
from task_generators.suites.leaks import DatasetAudit

MOST = 1_000_000
"""Leak groups of a home, at most."""


def main() -> None:
    """Play and report."""
    options = _options()
    places = paths.find().create()
    settings = config.load(places, options.profile, {"plays": {"pool": "local"}}, config.environment())
    shown = Board(places.run, settings.profile)
    with lock.hold(places.data), parts.build(settings, places, shown, Stop()) as loop:
        tasks = list(fresh(loop, options.tasks, random.Random(options.seed)))
        found = {}
        for number, policy in _policies(loop, options.policies):
            found[number] = report(tasks, passed(loop, policy, tasks))
            print(f"{number} {policy.id[:12]}  {_line(found[number])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=6, help="of each arm")
    parser.add_argument("--seed", type=int, default=1, help="draws the tasks")
    parser.add_argument("--policies", type=int, default=3, help="the latest so many candidates")
    parser.add_argument("--profile", default="quickstart")
    parser.add_argument("--json", type=Path, help="where the figures go as well")
    return parser.parse_args()


def fresh(loop: Loop, count: int, rng: random.Random) -> Iterator[Task]:
    """Draw tasks of every arm that nothing of the home, and nothing that it is measured with, is like."""
    audit, played = DatasetAudit(training.measured_with(loop)), _played(loop)
    for arm, generator in loop.arms().items():
        drawn: list[Task] = []
        while len(drawn) < count:
            task = generator.make(arm, rng.randrange(loop.curriculum.seeds))
            if task.leak_group not in played and audit.leak(task) is None:
                played.add(task.leak_group)
                drawn.append(task)
        yield from drawn


def _played(loop: Loop) -> set[str]:
    with query.read_only(loop.config.database or loop.paths.database) as ask:
        return {group for (group,) in ask("select distinct leak_group from task", rows=MOST).rows}


def _policies(loop: Loop, count: int) -> list[tuple[str, Policy]]:
    """Give the latest candidates, the oldest first, each under its round."""
    found = [(f"round {rnd.id}", loop.store.policies.candidate(rnd)) for rnd in loop.store.rounds.all()]
    return [(name, policy) for name, policy in found if policy is not None][-count:]


def passed(loop: Loop, policy: Policy, tasks: Sequence[Task]) -> list[bool]:
    """Have a policy play each task once, greedily; whether every checker accepted."""
    with loop.serving(policy) as served, ThreadPoolExecutor(loop.config.plays.in_flight) as pool:
        student = addressed(loop.config.student.part(0.0), served, policy.id)

        def won(task: Task) -> bool:
            job = Play(
                id=task.id,
                round=0,
                task=task,
                player=student,
                player_name="student",
                policy=policy.id,
                rule=loop.config.rule,
                system=policy.system,
            )
            trajectory = play(job)
            return all(checker.check(task, trajectory).passed for checker in loop.checkers)

        longest_first = sorted(tasks, key=lambda task: -len(task.plan))
        wins = dict(zip((task.id for task in longest_first), pool.map(won, longest_first), strict=True))
    return [wins[task.id] for task in tasks]


def report(tasks: Sequence[Task], wins: Sequence[bool]) -> dict[str, Any]:
    """Count wins by tier and by arm, with Clopper-Pearson intervals at 95 % of the tiers."""
    tiers: defaultdict[str, list[bool]] = defaultdict(list)
    for task, won in zip(tasks, wins, strict=True):
        tiers[str(task.tier)].append(won)
    arms = Counter(str(task.arm) for task, won in zip(tasks, wins, strict=True) if won)
    return {"tiers": {tier: _share(each) for tier, each in tiers.items()}, "arms": dict(sorted(arms.items()))}


def _share(wins: Sequence[bool]) -> dict[str, float]:
    interval = binomtest(sum(wins), len(wins)).proportion_ci(method="exact")
    return {"won": sum(wins), "of": len(wins), "low": round(interval.low, 3), "high": round(interval.high, 3)}


def _line(found: dict[str, Any]) -> str:
    return "  ".join(
        f"{tier} {share['won']}/{share['of']} ({share['low']:.0%} to {share['high']:.0%})"
        for tier, share in found["tiers"].items()
    )


if __name__ == "__main__":
    main()
