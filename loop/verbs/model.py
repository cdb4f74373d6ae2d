"""`loopd model`: the policies; check them, take them elsewhere, talk to them, go back to an earlier one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loop import config, gpu, lock, paths, plugins, reading, registry
from loop.children import scrubbed
from loop.errors import LoopdError, NotFound
from loop.student import sources
from loop.student.chat import talk
from loop.types import Part, Player, Policy, Split, Task
from loop.verbs.access import Json, Reason, change, settings, show_query, store
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world

app = typer.Typer(help="Policies: list, verify, export, chat, roll back.", no_args_is_help=True)
Begins = Annotated[str, typer.Argument(help="champion, or the beginning of a policy's id.")]
Out = Annotated[Path, typer.Argument(help="A directory that does not exist yet.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every policy with its place."""
    show_query("select * from v_policies", as_json=as_json)


@app.command()
def verify(policy: Begins = "champion") -> None:
    """Check an adapter's every byte against its manifest, without loading it."""
    found, adapter = _find(policy)
    if adapter is None:
        typer.echo("The stock model has no adapter.")
        return
    manifest = registry.verify(Path(adapter), found.base)
    typer.echo(f"{adapter}: {len(manifest.files)} files as published, made for base {found.base[:16]}")


@app.command()
def export(out: Out, policy: Begins = "champion") -> None:
    """Merge a policy's adapter into the base model: a directory that mlx-lm and others can serve."""
    _, adapter = _find(policy)
    if adapter is None:
        raise NotFound("The stock model has no adapter to merge; copy its directory from data/models.")
    places = {"--base": _base(), "--adapter": adapter, "--out": out.absolute()}
    words = [str(word) for pair in places.items() for word in pair]
    arguments = [sys.executable, "-m", "loop.student.export", *words]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, env=scrubbed(gpu.preload()))
    if done.returncode:
        raise LoopdError(done.stderr.strip() or f"the export ended with {done.returncode}")
    typer.echo(f"{out}: base and adapter in one, in mlx-lm's layout")


@app.command()
def chat(
    policy: Begins = "champion", *, backend: Annotated[str, typer.Option(help="Whose tools it gets.")] = "files"
) -> None:
    """Talk to a policy with working tools; end with Ctrl-D. The daemon must not be running."""
    found, adapter = _find(policy)
    places, configured = paths.find().create(), settings()
    task = _task(configured, backend)
    console, student = Console(), configured.student
    with lock.hold(places.data):
        lease = gpu.Gpu(places.run, places.logs, places.scratch)
        with lease.serving(_base(), template=found.template, adapter=adapter) as served:
            where = {"url": served.url, "token_file": str(served.token_file), "policy": found.id, "temperature": 0.0}
            part = Part(use=student.player, settings={**where, "max_tokens": student.max_tokens})
            player: Player = plugins.load("teachers", part)
            world, offered = open_world(task.backends, task.initial), catalogue(task.tools, task.backends)
            console.print(f"Tools: {', '.join(tool.name for tool in offered.tools)}")
            talk(
                player.open(task, 0),
                world,
                offered,
                _lines(console),
                lambda message: console.print(reading.message(message)),
                system=found.system,
                rule=configured.rule,
            )


@app.command()
def rollback(policy: Begins, *, reason: Reason = "") -> None:
    """Make an earlier champion champion again, at once."""
    answer = change("model.rollback", policy=policy, reason=reason)
    typer.echo(f"The champion is {answer['champion']}.")


def _find(begins: str) -> tuple[Policy, str | None]:
    with store() as opened:
        champion = opened.champion()
        if begins == "champion" and champion is not None:
            return champion, opened.adapter_path(champion.id)
        found = [policy for policy, _ in opened.policies() if policy.id.startswith(begins)]
        if len(found) != 1:
            raise NotFound(f"{len(found)} policies begin with '{begins}'. List them: loopd model list")
        return found[0], opened.adapter_path(found[0].id)


def _base() -> Path:
    return sources.find(settings().student.source, paths.find().models)


def _task(configured: config.Config, generator: str) -> Task:
    named = next((each for each in configured.sampling.generators if each.use == generator), Part(use=generator))
    found = plugins.load("task_generators", named)
    made: Task = found.make(found.arms[0], 1, Split.TRAIN)
    return made


def _lines(console: Console) -> Iterator[str]:
    while True:
        try:
            yield console.input("[bold cyan]you[/] ")
        except EOFError:
            return
