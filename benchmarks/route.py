"""A files-only specialist beside a champion that never saw files: does the routed set keep the better half of each?

Champion and specialist are fitted to what the scripted teacher does, the champion in every backend but files, the
specialist in files alone. Both play the gates' suites; then the daemon does what it does at any time: it proposes the
set, and the gates judge it on plays that are routed as the endpoint routes requests.

    python -m benchmarks.route --out DIR [--rows N] [--seed N] [--quick]

Prints, paired by task and with 95 % intervals: champion, specialist and set on each suite, the set beside each of them,
and how many times the champion's time an answer takes; writes results.json. What was trained or played is not again.
--quick takes 30 easy tasks of files and 30 of trading for suites, and teaches these two alone.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from loop import config, daemon, parts, plugins
from loop.control.progress import Board
from loop.gates.comparison import MarginTest, described
from loop.gates.pairing import pair
from loop.rollout.play import play
from loop.runtime.gpu import Gpu
from loop.runtime.paths import Paths
from loop.runtime.signals import StopRequest
from loop.stages.evaluation import fingerprint, run_suite
from loop.stages.training import rows_of
from loop.store import Store
from loop.types import Accepted, Part, Play, Policy, Split, Standing, Suite, Task, TaskGenerator, Tier
from loop.types.jobs import Job
from loop.weights import adapters
from task_generators.suites import suite

FILES: Final = ("files",)
OTHERS: Final = ("trading", "travel", "vehicle", "tickets", "messages", "twitter", "maths", "sql")
SUITES: Final = {"depth": "quick-depth", "breadth": "quick-breadth"}
QUICK: Final = {"depth": "files-easy", "breadth": "trading-easy"}
STUDENT: Final = {"source": "embedded", "template": "compact", "system": "You act with tools."}
Report = dict[str, Any]


def main() -> int:
    """Train what is missing, play what is missing, have the set judged, report."""
    options = _options()
    home: Path = options.out
    places = Paths(data=home / "data", logs=home / "logs", config=home / "config").create()
    names = QUICK if options.quick else SUITES
    gates = [{"use": use, "settings": {"suite": name}} for use, name in names.items()]
    flags = {"rounds": 0, "student": STUDENT, "gating": {"gates": gates}, "serve": {"enabled": False}}
    chosen = config.load(places, "quickstart", flags, {})
    with Store.open(places.database) as store:
        _settle(chosen, places, store, options)
    with parts.build(chosen, places, Board(places.run, "quickstart"), StopRequest()) as loop:
        suites = {use: suite(name) for use, name in names.items()}
        for policy, standing in loop.store.policies.all():
            if standing is not Standing.CANDIDATE and policy.routing is None:
                for frozen in suites.values():
                    run_suite(loop, frozen, policy)
        daemon.run(loop)
        report = _report(loop, suites)
    (home / "results.json").write_text(json.dumps({"options": vars(options), **report}, indent=1, default=str))
    print(_table(report))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a home for it, in which it goes on where it was")
    parser.add_argument("--rows", type=int, default=240, help="rows that each of the two is fitted to")
    parser.add_argument("--seed", type=int, default=0, help="of the trainer and of the training tasks")
    parser.add_argument("--quick", action="store_true", help="two easy backends alone")
    options = parser.parse_args()
    options.out = options.out.absolute()
    return options


def _settle(chosen: config.Config, places: Paths, store: Store, options: argparse.Namespace) -> None:
    """Make champion and specialist, where they are not there yet."""
    if store.policies.champion():
        return
    base = parts.base_model(chosen, places)
    stock = Policy(base=base.digest, system=chosen.student.system, template=chosen.student.template)
    others = ("trading",) if options.quick else OTHERS
    fitted = {
        name: _fitted(name, each, base, places, options) for name, each in {"rest": others, "files": FILES}.items()
    }
    champion = stock.model_copy(update={"adapter": fitted["rest"]})
    store.policies.add(champion, Standing.CHAMPION)
    specialist = stock.model_copy(update={"adapter": fitted["files"], "parent": champion.id})
    store.policies.add(specialist, Standing.SPECIALIST)


def _fitted(name: str, generators: Sequence[str], base: parts.Base, places: Paths, options: argparse.Namespace) -> str:
    """Fit an adapter to what the scripted teacher did, unless one is there; its digest."""
    noted = places.scratch / f"{name}.txt"
    if noted.exists():
        return noted.read_text()
    rows, building = places.scratch / f"{name}.jsonl", places.scratch / f"{name}-adapter"
    policy = Policy(base=base.digest, system=STUDENT["system"], template=STUDENT["template"])
    with rows.open("w", encoding="utf-8") as file:
        for row in rows_of(policy, _lessons(generators, options)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    job = Job(
        base=base.path, template=policy.template, rows=rows, out=building, scratch=places.scratch / f"{name}-fit",
        seed=options.seed, learning_rate=7e-4, batch_rows=4, epochs=2, max_tokens=1536, weigh="tokens",
    )  # fmt: skip
    with Gpu(places.run, places.logs, places.scratch) as gpu:
        for line in gpu.training(job):
            if line.says == "step" and (line.step == line.steps or not line.step % 20):
                print(f"{name}: step {line.step} of {line.steps}, loss {line.loss:.3f}", flush=True)
    noted.write_text(adapters.publish(building, places.models, base=base.digest).id)
    return noted.read_text()


def _lessons(generators: Sequence[str], options: argparse.Namespace) -> Iterator[Accepted]:
    """Play training tasks by their plans, generators and arms in turn."""
    for number in range(options.rows):
        task = _task(generators[number % len(generators)], number // len(generators), options)
        player = Part(use="scripted")
        said = play(Play(id=task.id, round=0, task=task, player=player, player_name="scripted"))
        yield Accepted(id=task.id, task=task, trajectory=said)


def _task(name: str, number: int, options: argparse.Namespace) -> Task:
    generator: TaskGenerator = plugins.load("task_generators", Part(use=name))
    arms = [arm for arm in generator.arms if len(arm.backends) == 1]
    arms = [arm for arm in arms if arm.tier is Tier.EASY] if options.quick else arms
    return generator.make(arms[number % len(arms)], 100_000 * options.seed + number, Split.TRAIN)


def _report(loop: parts.Loop, suites: Mapping[str, Suite]) -> Report:
    """Compare the three on every suite, and say what the gates said."""
    policies = dict(
        zip(("champion", "specialist", "set"), (each for each, _ in loop.store.policies.all()), strict=True)
    )
    rnd = loop.store.gates.last_round(policies["set"].id)
    assert rnd is not None, "the set was judged"
    decided = loop.store.promotions.decided(rnd)
    return {
        "suites": {use: _compared(loop, frozen, policies) for use, frozen in suites.items()},
        "gates": [result.reason for result in loop.store.gates.results(rnd)],
        "decision": decided.model_dump() if decided else None,
    }


def _compared(loop: parts.Loop, frozen: Suite, policies: Mapping[str, Policy]) -> Report:
    mark = fingerprint(loop, frozen)
    scores = {name: loop.store.suites.scores(policy.id, frozen.id, mark) for name, policy in policies.items()}
    comparisons: Report = {"suite": frozen.name}
    for one, other in (("set", "champion"), ("set", "specialist"), ("specialist", "champion")):
        paired = pair(scores[other], scores[one])
        figures = described(MarginTest(f"{one} minus {other}", paired.played, 0.0), paired)
        names = ("candidate_rate", "champion_rate", "difference", "low", "high", "tasks")
        comparisons[f"{one} minus {other}"] = {name: figures[name] for name in names}
    return comparisons


def _table(report: Report) -> str:
    lines = []
    for comparisons in report["suites"].values():
        for name, figures in comparisons.items():
            if name != "suite":
                percent = {key: 100 * value for key, value in figures.items()}
                rates = f"{percent['candidate_rate']:.1f} against {percent['champion_rate']:.1f} %"
                interval = f"{percent['difference']:+.1f} [{percent['low']:+.1f}, {percent['high']:+.1f}] points"
                lines.append(f"{comparisons['suite']}, {name}: {rates}, {interval} over {figures['tasks']} tasks")
    return "\n".join([*lines, *report["gates"], f"promoted: {report['decision'] and report['decision']['promoted']}"])


if __name__ == "__main__":
    sys.exit(main())
