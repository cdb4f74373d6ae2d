"""How good are a home's policies at tasks that no gate has and no dataset held? One greedy play of each task, by tier.

The quickstart's settings were chosen with its suites in view, so its gates flatter it. These tasks are drawn anew from
the training seeds of the arms that the home's profile allows; what is like a task of a gate's suite or its sealed twin,
or shares a leak group with anything that the home ever played, is left out and drawn again.

With `--part "new words"` (or "known words", "unseen families") they are held-out tasks of that part instead: those that
the suites of the home's gates would get next if they grew. Two policies are compared task by task, by the exact sign
test.

    LOOPD_HOME=DIR python -m benchmarks.fresh [--tasks 6] [--seed 1] [--policies N] [--profile quickstart] [--json FILE]
    LOOPD_HOME=DIR python -m benchmarks.fresh --part "new words" --tasks 240 --rounds 1 4

The daemon must not be running there. `--tasks` counts per arm, with `--part` in all; `--rounds` names the rounds whose
candidates play; `--policies` takes the candidates of the latest so many
rounds, promoted or not. Some five minutes for the 108 plays of a policy on two cores.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from loop import config, parts
from loop.control.progress import Board
from loop.parts import Loop
from loop.rollout.play import play
from loop.runtime import lock, paths, query
from loop.runtime.gpu import addressed
from loop.runtime.signals import StopRequest
from loop.stages import training
from loop.types import Gate, Novelty, Play, Policy, Task
from task_generators.suites import grown, may_grow, suite
from task_generators.suites.leaks import DatasetAudit

MOST = 1_000_000
"""Leak groups of a home, at most."""


def main() -> None:
    """Play and report."""
    options = _options()
    places = paths.find().create()
    settings = config.load(places, options.profile, {"plays": {"pool": "local"}}, config.environment())
    shown = Board(places.run, settings.profile)
    with lock.hold(places.data), parts.build(settings, places, shown, StopRequest()) as loop:
        if options.part:
            tasks = list(islice(held_out(loop, Novelty(options.part)), options.tasks))
        else:
            tasks = list(fresh(loop, options.tasks, random.Random(options.seed)))
        reports, wins = {}, {}
        for name, policy in _policies(loop, options.policies, options.rounds):
            wins[name] = passed(loop, policy, tasks)
            reports[name] = report(tasks, wins[name])
            print(f"{name} {policy.id[:12]}  {_line(reports[name])}", flush=True)
        for one, other in combinations(wins, 2):
            print(f"{one} against {other}: {compared(wins[one], wins[other])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=6, help="of each arm")
    parser.add_argument("--seed", type=int, default=1, help="draws the tasks")
    parser.add_argument("--policies", type=int, default=3, help="the latest so many candidates")
    parser.add_argument("--rounds", type=int, nargs="*", help="candidates of these rounds instead")
    parser.add_argument("--part", choices=list(Novelty), help="held-out tasks of this part")
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


def held_out(loop: Loop, part: Novelty) -> Iterator[Task]:
    """Give tasks of one part that the gates' suites do not have yet, the suites taking turns."""
    more = [_beyond(loop, gate, part) for gate in loop.gates if may_grow(gate.suite)]
    places = [
        ((number + 0.5) / len(tasks), place, task)
        for place, tasks in enumerate(more)
        for number, task in enumerate(tasks)
    ]
    yield from (task for _, _, task in sorted(places, key=lambda entry: entry[:2]))


def _beyond(loop: Loop, gate: Gate, part: Novelty) -> list[Task]:
    times = loop.store.suites.grown(gate.suite)
    known = {task.id for task in suite(grown(gate.suite, times)).tasks}
    return [task for task in suite(grown(gate.suite, times + 1)).tasks if task.id not in known and task.novelty is part]


def _played(loop: Loop) -> set[str]:
    with query.read_only(loop.config.database or loop.paths.database) as ask:
        return {group for (group,) in ask("select distinct leak_group from task", rows=MOST).rows}


def _policies(loop: Loop, count: int, rounds: Sequence[int] | None) -> list[tuple[str, Policy]]:
    """Give the latest candidates, or those of the rounds asked for, the oldest first, each under its round."""
    asked = [rnd for rnd in loop.store.rounds.all() if not rounds or rnd.id in rounds]
    candidates = [(f"round {rnd.id}", loop.store.policies.candidate(rnd)) for rnd in asked]
    present = [(name, policy) for name, policy in candidates if policy is not None]
    return present if rounds else present[-count:]


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


def compared(one: Sequence[bool], other: Sequence[bool]) -> str:
    """Say how many tasks the second policy won and lost against the first, with the exact two-sided sign test."""
    won = sum(after and not before for before, after in zip(one, other, strict=True))
    lost = sum(before and not after for before, after in zip(one, other, strict=True))
    p = binomtest(won, won + lost).pvalue if won + lost else 1.0
    return f"{won} won, {lost} lost of {len(one)}, p = {p:.2g}"


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
