"""What a teacher's transport costs beyond its model: seconds a step, CPU and memory, one play alone and 16 at once.

    python benchmarks/teachers.py [--quick] [--json FILE] [--codex PATH]

The model is a fake on loopback. For one play alone it answers at once, so the whole step is overhead. For 16 at once it
takes 1 to 3 seconds, as models do, and says how long it took; the rest of the step is overhead. Before anything is
timed, a BFCL task is played through every transport and its calls are compared with the plan's. The transports take
turns in every run.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

sys.path.append(sys.path.pop(0))  # this very file hides a package of its name

from loop.rollout.conversation import conversation
from loop.rollout.play import play
from loop.types import Catalogue, Message, Part, Play, Task
from task_generators.backends.bfcl import entries, entry_task
from task_generators.backends.catalogues import catalogue
from teachers.base.teacher import Teacher
from teachers.codex import Codex
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import Mind, closing, knowing
from teachers.fakes.responses import FakeResponses

ENTRY = "multi_turn_base_0"
AT_ONCE = 16
LIMITS = {"codex exec": 0.2, "codex app-server": 0.05, "codex native": 0.05, "deepseek": 0.05}
"""Seconds of overhead a step, at most."""
MOST_MIB = 130
"""Largest resident size of a client process."""


class Side(NamedTuple):
    """A transport, and the server that it asks."""

    name: str
    teacher: Teacher
    server: FakeResponses | FakeDeepSeek


class Run(NamedTuple):
    """One play, timed."""

    start: float
    """Seconds to the end of the first step, beyond the model's own."""
    steps: list[float]
    """Seconds of each later step, beyond the model's own."""


def sides(stack: ExitStack, codex: str) -> list[Side]:
    """Set every transport up."""
    home = stack.enter_context(tempfile.TemporaryDirectory())
    responses = stack.enter_context(FakeResponses())
    deepseek = stack.enter_context(FakeDeepSeek())
    os.environ |= {"LOOPD_BENCH_KEY": "sk-bench-no-secret", "DEEPSEEK_API_KEY": "sk-bench-no-secret"}

    def client(**settings: object) -> Teacher:
        plain = {
            "binary": codex, "base_url": f"{responses.url}/v1", "key_env": "LOOPD_BENCH_KEY", "home": home,
            "compress": False,
        }  # fmt: skip
        return Codex.model_validate(plain | settings)

    return [
        Side("codex exec", client(), responses),
        Side("codex app-server", client(transport="app-server"), responses),
        Side("codex native", client(transport="app-server", native_tools=True), responses),
        Side("deepseek", DeepSeek(base_url=deepseek.url), deepseek),
    ]


def prove(side: Side, task: Task) -> None:
    """Play a task for real and compare its calls with the plan's.

    Raises:
        SystemExit: they differ.
    """
    side.server.mind = knowing(task)
    use = type(side.teacher).__module__.rpartition(".")[2]
    part = Part(use=use, settings=side.teacher.model_dump(mode="json"))
    trajectory = play(Play(id="p", round=0, task=task, player=part, player_name=side.teacher.name))
    wanted = [(call.name, call.arguments) for call in task.plan]
    if [(call.name, call.arguments) for call in trajectory.calls] != wanted:
        raise SystemExit(f"{side.name} does not play the plan: {trajectory.failure}")


def timed(side: Side, tools: Catalogue, steps: int, slow: bool, seed: int) -> Run:  # noqa: FBT001 - one of two kinds
    """Play a conversation of user turns that need no call."""
    messages, spent = [], []
    with conversation(side.teacher, None, seed) as chat:  # type: ignore[arg-type]  # no teacher but the scripted one looks at the task
        for number in range(steps):
            messages.append(Message(role="user", content=f"Take {delay(seed, number) if slow else 0.0} seconds."))
            began = time.perf_counter()
            reply = chat.reply(tuple(messages), tools)
            spent.append(time.perf_counter() - began - float(reply.message.content))
            messages.append(reply.message)
    return Run(spent[0], spent[1:])


def delay(seed: int, number: int) -> float:
    """Draw how long the model takes, in seconds."""
    return round(Random(f"{seed}/{number}").uniform(1.0, 3.0), 3)


def sleeping() -> Mind:
    """Take as long as the last message asks for, and say how long it was."""

    def answer(messages: list[Message]) -> Message:
        began = time.perf_counter()
        time.sleep(float(messages[-1].content.split()[1]))
        return closing(f"{time.perf_counter() - began:.6f}")

    return answer


def alone(all_sides: Sequence[Side], tools: Catalogue, runs: int, steps: int) -> Iterator[tuple[str, str, list[float]]]:
    """Time one play after another, the transports in turn."""
    for seed in range(runs):
        for side in all_sides:
            side.server.mind = sleeping()
            cpu = children_cpu()
            run = timed(side, tools, steps, slow=False, seed=seed)
            yield side.name, "first", [run.start]
            yield side.name, "step", run.steps
            yield side.name, "cpu", [(children_cpu() - cpu) / steps]


def at_once(
    all_sides: Sequence[Side], tools: Catalogue, runs: int, steps: int
) -> Iterator[tuple[str, str, list[float]]]:
    """Time sixteen plays at once, the transports in turn."""
    for seed in range(runs):
        for side in all_sides:
            side.server.mind = sleeping()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                jobs = [pool.submit(timed, side, tools, steps, True, seed * AT_ONCE + n) for n in range(AT_ONCE)]
                found = [job.result() for job in jobs]
            yield side.name, "at once", [second for run in found for second in run.steps]
            yield side.name, "at once first", [run.start for run in found]


def children_cpu() -> float:
    """CPU seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def gather(found: Iterator[tuple[str, str, list[float]]], into: dict[str, dict[str, list[float]]]) -> None:
    """Collect timings by transport and figure."""
    for name, figure, values in found:
        into[name][figure] += values


def summary(into: dict[str, dict[str, list[float]]], mib: dict[str, float]) -> list[dict[str, object]]:
    """Reduce the timings to medians."""

    def median(name: str, figure: str) -> float | None:
        values = into[name].get(figure)
        return round(statistics.median(values), 4) if values else None

    return [
        {
            "transport": name,
            "first_s": median(name, "first"),
            "step_s": median(name, "step"),
            "cpu_s": median(name, "cpu"),
            "at_once_s": median(name, "at once"),
            "at_once_p90_s": percentile(into[name].get("at once", [])),
            "at_once_first_s": median(name, "at once first"),
            "limit_s": LIMITS[name],
            "mib": mib.get(name),
        }
        for name in LIMITS
    ]


def percentile(values: list[float]) -> float | None:
    """Take the ninetieth percentile."""
    return round(statistics.quantiles(values, n=10)[-1], 4) if len(values) > 1 else None


def show(rows: list[dict[str, object]]) -> None:
    """Print the table."""
    table = Table(title=f"Overhead of a step, in seconds (medians); exec may take {MOST_MIB} MiB")
    heads = ("transport", "first", "step", "CPU", "16 at once", "p90", "first of 16", "limit", "MiB")  # as `summary`
    for head in heads:
        table.add_column(head, justify="left" if head == "transport" else "right")
    for row in rows:
        table.add_row(*("-" if value is None else str(value) for value in row.values()))
    Console(width=100).print(table)


def measured_mib(all_sides: Sequence[Side], tools: Catalogue) -> dict[str, float]:
    """Measure the resident size of each client while it waits for its answer."""
    found: dict[str, float] = {}
    for side in all_sides:
        sizes: list[int] = []
        side.server.mind = weighing(sizes)
        timed(side, tools, 4, slow=False, seed=0)
        found[side.name] = round(max(sizes, default=0) / 2**20, 1)
    return {name: mib for name, mib in found.items() if mib}


def weighing(sizes: list[int]) -> Mind:
    """Weigh this process's children, then answer."""

    def answer(messages: list[Message]) -> Message:
        del messages
        sizes.extend(child.memory_info().rss for child in psutil.Process().children())
        return closing("0")

    return answer


def bundled() -> str:
    """Find the pinned client of the test environment."""
    import codex_cli_bin  # noqa: PLC0415 - only where no other client is named

    return str(codex_cli_bin.bundled_codex_path())


def main() -> None:
    """Prove, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--codex", help="the client; without it the pinned one")
    options = parser.parse_args()
    entry, gold = next(pair for pair in entries("base") if pair[0]["id"] == ENTRY)
    task = entry_task(entry, gold)
    tools = catalogue(task.tools, task.backends, task.initial)
    into: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    runs, steps, waves = (3, 6, 1) if options.quick else (7, 20, 3)
    with ExitStack() as stack:
        all_sides = sides(stack, options.codex or bundled())
        for side in all_sides:
            prove(side, task)
        mib = measured_mib(all_sides, tools)
        gather(alone(all_sides, tools, runs, steps), into)
        gather(at_once(all_sides, tools, waves, max(steps // 4, 3)), into)
    rows = summary(into, mib)
    show(rows)
    report = {"cpus": os.cpu_count(), "load": os.getloadavg(), "quick": options.quick, "rows": rows}
    print(json.dumps(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
