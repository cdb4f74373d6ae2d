"""`loopd suite`: the frozen suites, and any player on any of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from loop import board, lock, log, measuring, parts, paths, view
from loop.config import Teaching
from loop.errors import NotFound, nearest
from loop.stopping import Stop, Stopped
from loop.types import Score, Suite
from loop.verbs import teacher
from loop.verbs.access import Json, settings, show
from task_generators import suites

app = typer.Typer(help="Suites: list, show, run.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A suite's name; `list` has them.")]
Player = Annotated[str, typer.Option(help="champion, stock, the beginning of a policy's id, or a teacher's name.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many tasks.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every suite with its size and digest."""
    found = [suites.suite(name) for name in suites.names()]
    show([{"suite": each.name, "tasks": len(each.tasks), "id": each.id[:16]} for each in found], as_json=as_json)


@app.command("show")
def show_(name: Name, *, as_json: Json = False) -> None:
    """A suite's tasks, counted by arm."""
    counts = Counter(str(task.arm) for task in suites.suite(name).tasks)
    show([{"arm": arm, "tasks": count} for arm, count in sorted(counts.items())], as_json=as_json)


@app.command()
def run(name: Name, *, player: Player = "champion", limit: Limit = None, as_json: Json = False) -> None:
    """Have a player play a suite, and store the scores. The daemon must not be running."""
    suite, places, chosen = suites.suite(name), paths.find().create(), settings()
    stop = Stop()
    with lock.hold(places.data):
        log.set_up(places.logs)
        stop.listen()
        shown = board.Board(places.run, chosen.profile)
        try:
            with (
                view.watching(shown, Console(stderr=True)),
                parts.build(chosen, places, shown, stop) as loop,
            ):
                scores = measuring.run_suite(loop, suite, _player(loop, player), limit)
        except Stopped as stopped:
            raise typer.Exit(stopped.exit_code) from stopped
        finally:
            shown.close()
    show(_table(suite, scores), as_json=as_json)


def _player(loop: parts.Loop, name: str) -> measuring.Contestant:
    if name == "champion":
        return loop.champion
    if name == "stock":
        return loop.stock
    if name in teacher.known():
        return next((each for each in loop.config.teachers if each.use == name), Teaching(use=name))
    found = [policy for policy, _ in loop.store.policies() if policy.id.startswith(name)]
    if len(found) != 1:
        raise NotFound(f"There is no player '{name}'.{nearest(name, ['champion', 'stock', *teacher.known()])}")
    return found[0]


def _table(suite: Suite, scores: Sequence[Score]) -> list[dict[str, object]]:
    rows = {(backend, score.tier): Counter[bool]() for score in scores for backend in score.backends}
    for score in scores:
        for backend in score.backends:
            rows[backend, score.tier][score.passed] += 1
    told = [_row(f"{backend} {tier}", counts) for (backend, tier), counts in sorted(rows.items())]
    return [*told, _row(suite.name, Counter(score.passed for score in scores))]


def _row(what: str, counts: Counter[bool]) -> dict[str, object]:
    total = counts.total()
    return {"what": what, "passed": counts[True], "of": total, "rate": counts[True] / total if total else None}
