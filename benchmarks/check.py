"""Verdicts a second: loopd's outcome checker beside BFCL's `multi_turn_checker`, on the same plays, in one run.

    python benchmarks/check.py [--quick] [--json FILE]

The plays are BFCL's multi-turn gold answers and mutants of them: a call dropped, doubled, moved, an argument changed …
First both judge every play and their verdicts are compared. Then both judge all plays in turn, several times. Last,
loopd's checker judges the plays over and over, and its memory and speed are watched.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_utils
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker

from checkers.outcome import Outcome
from loop.types import Call, Task, Trajectory
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task
from task_generators.backends.mutants import Script, gold_script, mutants, played

OURS = Outcome(abstain=False, exact_numbers=True)
"""The settings under which loopd's checker judges as BFCL's does."""


class Play(NamedTuple):
    """One play, as each side reads it."""

    kind: str
    trajectory: Trajectory
    spelt: list[list[list[str]]]


class Item(NamedTuple):
    """One entry of BFCL and its plays."""

    task: Task
    entry: Mapping[str, Any]
    gold: Sequence[Sequence[str]]
    plays: list[Play]


def items(every: int) -> Iterator[Item]:
    """Make the plays of every n-th entry."""
    found = [(entry_task(entry, gold), entry, gold) for name in CATEGORIES for entry, gold in entries(name)]
    pool: dict[str, list[Call]] = defaultdict(list)
    for task, _, _ in found:
        for call in task.plan:
            pool[call.name].append(Call.model_validate(call.model_dump()))
    for seed, (task, entry, gold) in enumerate(found[::every]):
        script = gold_script(task)
        scripts = [("gold", script), *mutants(script, seed, pool)]
        plays = [Play(kind, played(task, mutant), spelt(mutant)) for kind, mutant in scripts]
        yield Item(task, entry, gold["ground_truth"], plays)


def spelt(script: Script) -> list[list[list[str]]]:
    """Spell a script as BFCL has it decoded: per turn and step, calls as Python."""
    return [[[_spelt(call) for call in calls] for calls in steps] for steps in script]


def _spelt(call: Call) -> str:
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def official(item: Item, play: Play, name: str = "") -> bool:
    """Judge with BFCL's checker, which keeps its instances in a module under the name of the model that played."""
    return bool(multi_turn_checker(play.spelt, item.gold, item.entry, "", f"bench{name}")["valid"])


def forget() -> None:
    """Drop the instances that BFCL kept."""
    for name in [name for name in vars(multi_turn_utils) if name.endswith("_instance")]:
        delattr(multi_turn_utils, name)


def compare(work: Sequence[Item]) -> dict[str, int]:
    """Hold both verdicts on every play against each other."""
    counts = {"plays": 0, "differ": 0}
    for item in work:
        for play in item.plays:
            same = OURS.check(item.task, play.trajectory).passed == official(item, play)
            forget()
            counts["plays"] += 1
            counts["differ"] += not same
    return counts


def time_both(work: Sequence[Item]) -> tuple[float, float]:
    """Let both judge every play, one after the other; processor seconds of each."""
    start = time.process_time()
    for item in work:
        for play in item.plays:
            OURS.check(item.task, play.trajectory)
    between = time.process_time()
    for item in work:
        for number, play in enumerate(item.plays):
            official(item, play, str(number))
    end = time.process_time()
    forget()
    return between - start, end - between


def endure(work: Sequence[Item], plays: int) -> list[tuple[int, float, float]]:
    """Judge many plays: after each tenth, the number of plays, microseconds a verdict, resident MiB."""
    me, done, rows = psutil.Process(os.getpid()), 0, []
    start, mark = time.process_time(), 0
    while done < plays:
        for item in work:
            for play in item.plays:
                OURS.check(item.task, play.trajectory)
            done += len(item.plays)
            if done - mark >= plays // 10:
                seconds = time.process_time() - start
                rows.append((done, seconds / (done - mark) * 1e6, me.memory_info().rss / 2**20))
                start, mark = time.process_time(), done
    return rows


def main() -> int:
    """Run, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer entries, 10,000 plays instead of 100,000")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    work = list(items(20 if options.quick else 5))
    counts = compare(work)
    gc.collect()
    gc.freeze()
    rounds = [time_both(work) for _ in range(5 if options.quick else 7)]
    ours, theirs = (statistics.median(column) / counts["plays"] * 1e6 for column in zip(*rounds, strict=True))
    ratio = statistics.median(b / a for a, b in rounds)
    rows = endure(work, 10_000 if options.quick else 100_000)
    print(f"plays {counts['plays']}, verdicts that differ {counts['differ']} (docs/worlds.md says which, and why)")
    print(f"loopd {ours:8.1f} us a verdict\nBFCL  {theirs:8.1f} us a verdict\nratio {ratio:8.2f}")
    for done, microseconds, memory in rows:
        print(f"{done:8d} plays {microseconds:8.1f} us a verdict {memory:8.1f} MiB")
    if options.json:
        figures = {**counts, "loopd_us": ours, "bfcl_us": theirs, "ratio": ratio, "endurance": rows}
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
