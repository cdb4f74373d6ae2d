"""Two SQL adapters behind a route, one adapter that learned both, or one that learned one: which answers best?

Single-shot questions (one statement, no tools) and tool-using database tasks are taught from the base model: `shot`,
`tools` and `blend`, whose rows are those of both. `routed` asks `tools` where tools are on offer and `shot` where none
are; `blend`, `shot` alone and `base` answer everything. Everyone plays the same held-out tasks greedily, one at a time.

    python -m benchmarks.sql_specialist --out DIR [--rows N] [--tasks N] [--seed N] [--defog DIR] [--quick]

Prints exact, execution and clean of the single-shot questions, passes of the tool-using ones, the paired difference
between routed and blend with its interval, seconds an answer, tokens a second and peak memory; writes results.json.
A system that was trained, or played, before is not trained or played again.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from checkers.answer import Answer
from checkers.dataflow import Dataflow
from checkers.format import Format
from checkers.outcome import Outcome
from checkers.sql_match import SqlMatch
from checkers.stop import Stop
from loop.gates.comparison import INTERVAL
from loop.gates.statistics import bounds
from loop.release.measuring import Clock, peak_gb
from loop.release.performance import quantiles
from loop.rollout.conversation import conversation
from loop.rollout.play import Transcript, converse, play
from loop.runtime.gpu import Gpu
from loop.stages.training import rows_of
from loop.student.client import Student
from loop.types import OFFICIAL, Accepted, End, Part, Play, Policy, Split, Task, Tier, Trajectory
from loop.types.jobs import Job
from loop.weights import adapters, sources
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world
from task_generators.sql import Sql
from task_generators.suites.brought import defog
from task_generators.text_to_sql import TextToSql

TEMPLATE: Final = "compact"
SYSTEM: Final = "You act with tools. Where none are offered, answer as you are told."
HELD_OUT: Final = 5_000_000
TRAINED: Final = ("shot", "tools", "blend")
TOOL_CHECKERS: Final = (Outcome(), Stop(), Format(), Answer(), Dataflow())
SCRIPTED: Final = Part(use="scripted")
LOOK: Final = 20
"""Steps between two lines about a training."""
METRICS: Final = ("exact", "execution", "clean")
COLUMNS: Final = ("system", "kind", "n", "passed", *METRICS, "p50 s", "p95 s", "tok/s", "GB")
Found = dict[str, Any]


def main() -> int:
    """Train what is missing, play what is missing, report."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    models = options.out / "models"
    base = sources.find("embedded", models, TEMPLATE)
    gpu = Gpu(options.out / "run", options.out / "logs", options.out / "scratch")
    for place in ("run", "logs", "scratch"):
        (options.out / place).mkdir(exist_ok=True)
    for name in TRAINED:
        train(name, base, gpu, options)
    held_out = {"shot": shots(options.tasks, Split.HELDOUT), "tools": tools(options.tasks, Split.HELDOUT)}
    if options.defog:
        held_out["defog"] = list(islice(defog.read(options.defog).suites[0].tasks, options.tasks))
    played = {name: answers(name, held_out, base, gpu, options) for name in (*TRAINED, "base")}
    report = summary(played)
    (options.out / "results.json").write_text(json.dumps({"options": vars(options), **report}, indent=1, default=str))
    print(table(report))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where adapters and plays go, and are found again")
    parser.add_argument("--rows", type=int, default=200, help="training tasks of each kind")
    parser.add_argument("--tasks", type=int, default=60, help="held-out tasks of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the trainer and of the training tasks")
    parser.add_argument("--defog", type=Path, help="a directory with Defog's data: its questions are played too")
    parser.add_argument("--quick", action="store_true", help="16 rows and 2 tasks: whether it runs at all")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.tasks = 16, 2
    options.out = options.out.absolute()
    return options


def shots(count: int, split: Split, seed: int = 0) -> list[Task]:
    """Make single-shot questions, of every family in turn."""
    generator = TextToSql()
    arms = generator.arms
    return [generator.make(arms[n % len(arms)], _seed(split, seed) + n, split) for n in range(count)]


def tools(count: int, split: Split, seed: int = 0) -> list[Task]:
    """Make easy tool-using database tasks, of every family in turn."""
    generator = Sql()
    arms = [arm for arm in generator.arms if arm.tier is Tier.EASY]
    return [generator.make(arms[n % len(arms)], _seed(split, seed) + n, split) for n in range(count)]


def _seed(split: Split, seed: int) -> int:
    return HELD_OUT if split is not Split.TRAIN else 1 + 100_000 * seed


def train(name: str, base: Path, gpu: Gpu, options: argparse.Namespace) -> None:
    """Fit an adapter to what the scripted teacher did, unless it is there."""
    if adapter_of(name, options):
        return
    tasks = {
        "shot": shots(options.rows, Split.TRAIN, options.seed),
        "tools": tools(options.rows, Split.TRAIN, options.seed),
    }
    chosen = [*tasks["shot"], *tasks["tools"]] if name == "blend" else tasks[name]
    policy = Policy(base="", system=SYSTEM, template=TEMPLATE)
    rows = options.out / "scratch" / f"{name}.jsonl"
    with rows.open("w", encoding="utf-8") as file:
        for row in rows_of(policy, lessons(chosen)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    building = options.out / "scratch" / f"{name}-adapter"
    job = Job(
        base=base, template=TEMPLATE, rows=rows, out=building, scratch=options.out / "scratch" / f"{name}-fit",
        seed=options.seed, learning_rate=7e-4, batch_rows=4, epochs=2, max_tokens=2048, weigh="tokens",
    )  # fmt: skip
    for line in gpu.training(job):
        if line.says == "step" and (line.step == line.steps or not line.step % LOOK):
            print(f"{name}: step {line.step} of {line.steps}, loss {line.loss:.3f}", flush=True)
    published = adapters.publish(building, options.out / "models", base=sources.directory_digest(base))
    (options.out / f"adapter-{name}.txt").write_text(published.id)


def adapter_of(name: str, options: argparse.Namespace) -> Path | None:
    """Tell where an adapter was published; None for the base, and for one that was not trained yet."""
    noted = options.out / f"adapter-{name}.txt"
    return options.out / "models" / noted.read_text() if noted.exists() else None


def lessons(tasks: Iterable[Task]) -> Iterable[Accepted]:
    """Play tasks by their plans and keep what the checkers accept: all of them, or the benchmark is wrong."""
    for task in tasks:
        said = play(
            Play(id=task.id, round=0, task=task, player=Part(use="scripted"), player_name="scripted", system=SYSTEM)
        )
        assert judged(task, said)["passed"], f"the scripted play of {task.id} is refused"
        yield Accepted(id=task.id, task=task, trajectory=said)


def judged(task: Task, said: Trajectory) -> Found:
    """Say whether a play passes, and what its statement was."""
    if not task.tools:
        checker = SqlMatch(elsewhere=task.generator != "defog")
        verdict = checker.check(task, said)
        return {"passed": verdict.passed, **verdict.evidence}
    return {"passed": all(checker.check(task, said).passed for checker in TOOL_CHECKERS)}


def answers(
    name: str, held_out: dict[str, list[Task]], base: Path, gpu: Gpu, options: argparse.Namespace
) -> dict[str, list[Found]]:
    """Have one adapter, or the base, play everything; what was played before is read."""
    file = options.out / f"plays-{name}.json"
    if file.exists():
        told: dict[str, list[Found]] = json.loads(file.read_text())
        return told
    with gpu.serving(base, template=TEMPLATE, adapter=adapter_of(name, options), max_rows=1) as served:
        student = Student(url=served.url, token_file=str(served.token_file), temperature=0.0, max_tokens=128)
        found = {kind: [_played(student, task) for task in tasks] for kind, tasks in held_out.items()}
        peak = peak_gb(served.url, served.token_file)
    for plays in found.values():
        for each in plays:
            each["peak_gb"] = peak
    file.write_text(json.dumps(found))
    print(f"{name}: played", flush=True)
    return found


def _played(student: Student, task: Task) -> Found:
    world, offered = open_world(task.backends, task.initial), catalogue(task.tools, task.backends, task.initial)
    into = Transcript()
    with conversation(student, task, 0) as chat:
        clock = Clock(chat)
        end: End = converse(clock, task, world, offered, rule=OFFICIAL, system=SYSTEM, into=into)
    said = Trajectory(task=task.id, player="student", catalogue=offered, messages=tuple(into.messages), end=end)
    seconds, tokens = [each.seconds for each in clock.timings], sum(each.tokens for each in clock.timings)
    return {"task": task.id, **judged(task, said), "seconds": seconds, "tokens": tokens}


def summary(played: dict[str, dict[str, list[Found]]]) -> Found:
    """Put the systems together: what is routed goes by whether tools are on offer."""
    kinds = list(played["base"])
    systems = {name: played[name] for name in ("blend", "shot", "base")}
    systems = {"routed": {kind: played["tools" if kind == "tools" else "shot"][kind] for kind in kinds}, **systems}
    rates = {name: {kind: _rates(plays) for kind, plays in by_kind.items()} for name, by_kind in systems.items()}
    paired = {kind: _paired(systems["routed"][kind], systems["blend"][kind]) for kind in kinds}
    return {"systems": rates, "routed minus blend": paired}


def _rates(plays: Sequence[Found]) -> Found:
    seconds = [each for found in plays for each in found["seconds"]]
    p50, p95 = quantiles(seconds)
    told = {
        name: float(np.mean([found[name] for found in plays]))
        for name in ("exact", "execution", "clean")
        if name in plays[0]
    }
    speed = {"p50": p50, "p95": p95, "tokens_per_second": sum(found["tokens"] for found in plays) / sum(seconds)}
    passed = float(np.mean([found["passed"] for found in plays]))
    return {"tasks": len(plays), "passed": passed, **told, **speed, "peak_gb": plays[0]["peak_gb"]}


def _paired(routed: Sequence[Found], blend: Sequence[Found]) -> Found:
    moved = np.array([float(one["passed"]) - float(two["passed"]) for one, two in zip(routed, blend, strict=True)])
    low, high = bounds(moved, 1, INTERVAL)
    return {"difference": float(moved.mean()), "low": low, "high": high, "tasks": len(moved)}


def table(report: Found) -> str:
    """Spell the results."""
    lines = [" ".join(f"{name:>9}" for name in COLUMNS)]
    for name, kinds in report["systems"].items():
        for kind, found in kinds.items():
            metrics = [found.get(each) for each in ("passed", *METRICS)]
            figures = [*metrics, found["p50"], found["p95"], found["tokens_per_second"], found["peak_gb"]]
            cells = [name, kind, str(found["tasks"]), *("" if each is None else f"{each:.2f}" for each in figures)]
            lines.append(" ".join(f"{cell:>9}" for cell in cells))
    for kind, found in report["routed minus blend"].items():
        interval = f"[{100 * found['low']:+.1f}, {100 * found['high']:+.1f}] over {found['tasks']} tasks"
        lines.append(f"routed minus blend, {kind}: {100 * found['difference']:+.1f} points {interval}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
