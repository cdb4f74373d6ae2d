"""`loopd model parity`: does a policy behave in another program as it was measured here?"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import JsonValue

from loop import plugins
from loop.artifacts import parity as comparing
from loop.artifacts.parity import Difference, PlayComparison
from loop.artifacts.runtime import mlx_lm_server
from loop.cli import policies, terminal
from loop.cli.access import Json, settings, show, show_json
from loop.config import Config
from loop.errors import LoopdError, NotFound
from loop.rollout.play import play
from loop.runtime import gpu, lock, paths
from loop.templates.render import Renderer
from loop.types import Checker, Part, Play, Policy, Suite, Task, Trajectory
from task_generators.suites import frozen

PLAYS_AT_ONCE: Final = 4
SHOWN: Final = 5
"""Differences that are shown."""
ELSEWHERE: Final = "loop.artifacts.elsewhere:Elsewhere"
Target = Annotated[str, typer.Argument(help="An exported directory, or the URL of a server.")]
Begins = Annotated[str, typer.Argument(help="champion, or a prefix of a policy id.")]
Named = Annotated[str, typer.Option("--suite", help="Suite to play; see `loopd suite list`.")]
Limit = Annotated[int, typer.Option(min=1, help="Number of tasks to play.")]
Model = Annotated[str, typer.Option(help="The model's name on that server.")]


def parity(  # noqa: PLR0913 - the options of a command
    target: Target,
    policy: Begins = "champion",
    *,
    suite: Named = "quick-breadth",
    limit: Limit = 20,
    model: Model = "default_model",
    as_json: Json = False,
) -> None:
    """Play the same tasks here and in another program; compare prompts, calls and passes.

    Greedy decoding. Exits 1 if a prompt differs. The daemon must not be running.
    """
    subject, configured, home = policies.single(policy), settings(), paths.find().create()
    base, out = policies.base_of(subject), Path(target)
    url = target if target.startswith(("http://", "https://")) else ""
    if not url and not out.is_dir():
        raise NotFound(f"There is no directory {out}. Make one: loopd model export {out}")
    chosen = frozen.suite(suite)
    tasks = chosen.tasks[:limit]
    with lock.hold(home.data):
        here = _here(subject, configured, base, tasks)
        different = [] if url else _prompts(subject, base, out, here)
        with ExitStack() as stack:
            address = url or _served(stack, out, home, configured.student.max_tokens)
            there = _there(subject, configured, base, tasks, (address, model)) if address else []
    passed, renderer = _judge(chosen, configured, tasks), Renderer.load(base, subject.template)
    plays = [comparing.compare(mine, theirs, passed, renderer) for mine, theirs in zip(here, there, strict=False)]
    _tell(different, plays, as_json=as_json)
    if any(different) or (url and any(play.counted not in {0, play.tokens} for play in plays)):
        raise LoopdError("Prompts differ there, so measurements made here do not carry over.")


def _here(policy: Policy, configured: Config, base: Path, tasks: Sequence[Task]) -> list[Trajectory]:
    home = paths.find()
    lease = gpu.Gpu(home.run, home.logs, home.scratch)
    with lease.serving(
        base, template=policy.template, adapter=home.adapter(policy), precision=policy.precision,
        max_rows=configured.student.max_rows,
    ) as served:  # fmt: skip
        part = gpu.addressed(configured.student.part(0.0), served, policy.id)
        return _played(part, policy, configured, tasks)


def _served(stack: ExitStack, out: Path, home: paths.Paths, max_tokens: int) -> str:
    """Start what serves the directory; empty where nothing here does, so that prompts alone are compared."""
    try:
        return stack.enter_context(mlx_lm_server(out, home, max_tokens))
    except NotFound as unserved:
        terminal.say(f"{unserved}", err=True)
        return ""


def _there(
    policy: Policy, configured: Config, base: Path, tasks: Sequence[Task], server: tuple[str, str]
) -> list[Trajectory]:
    server_settings: dict[str, JsonValue] = {
        "url": server[0],
        "model": server[1],
        "base": str(base),
        "template": policy.template,
        "system": policy.system,
        "max_tokens": configured.student.max_tokens,
    }
    return _played(Part(use=ELSEWHERE, settings=server_settings), policy, configured, tasks)


def _played(player: Part, policy: Policy, configured: Config, tasks: Sequence[Task]) -> list[Trajectory]:
    jobs = [
        Play(id=task.id, round=0, task=task, player=player, player_name="student", policy=policy.id,
             rule=configured.rule, system=policy.system)
        for task in tasks
    ]  # fmt: skip
    with ThreadPoolExecutor(PLAYS_AT_ONCE) as pool:
        return [*pool.map(play, jobs)]


def _prompts(policy: Policy, base: Path, out: Path, plays: Sequence[Trajectory]) -> list[Difference | None]:
    renderer = Renderer.load(base, policy.template)
    return [*comparing.prompts(renderer, comparing.engine(out), policy.system, plays)]


def _judge(suite: Suite, configured: Config, tasks: Sequence[Task]) -> Callable[[Trajectory], bool]:
    configured_checkers: list[Checker] = [plugins.load("checkers", part) for part in configured.checkers]
    checkers, known = plugins.judges_of(suite, configured_checkers), {task.id: task for task in tasks}
    return lambda played: all(checker.check(known[played.task], played).passed for checker in checkers)


def _tell(different: Sequence[Difference | None], plays: Sequence[PlayComparison], *, as_json: bool) -> None:
    rows = [*_rows(different, plays)]
    differences = [difference for difference in different if difference is not None]
    if as_json:
        show_json({
            "rows": rows,
            "prompts": [difference.model_dump() for difference in differences],
            "plays": [compared.model_dump() for compared in plays],
        })  # fmt: skip
        return
    show(rows, as_json=False)
    for difference in differences[:SHOWN]:
        terminal.say(f"{difference.task[:12]} answer {difference.step}, character {difference.place}:")
        terminal.say(f"  here  {difference.here!r}")
        terminal.say(f"  there {difference.there!r}")
    for failed in [compared for compared in plays if compared.failure][:SHOWN]:
        terminal.say(f"{failed.task[:12]} was not played elsewhere: {failed.failure[:200]}")


def _rows(different: Sequence[Difference | None], plays: Sequence[PlayComparison]) -> list[dict[str, Any]]:
    def row(what: str, same: int, of: int) -> dict[str, Any]:
        return {"what": what, "count": same, "of": of}

    rows = [row("prompts the same, byte for byte", different.count(None), len(different))] if different else []
    counted = [play for play in plays if play.counted]
    if plays:
        rows += [
            *(
                [
                    row(
                        "plays whose prompts have as many tokens",
                        sum(prompt.counted == prompt.tokens for prompt in counted),
                        len(counted),
                    )
                ]
                if counted
                else []
            ),
            row("plays whose first calls are the same", sum(play.first_same for play in plays), len(plays)),
            row("plays whose calls are all the same", sum(play.all_same for play in plays), len(plays)),
            row("passed here", sum(play.passed_here for play in plays), len(plays)),
            row("passed elsewhere", sum(play.passed_there for play in plays), len(plays)),
            row("passed in both", sum(play.passed_here and play.passed_there for play in plays), len(plays)),
        ]
    return rows
