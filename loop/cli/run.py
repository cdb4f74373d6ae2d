"""`loopd run`: what a round did, from its target to its report, out of SQL alone."""

from pathlib import Path
from typing import Annotated

import typer

from loop.cli import terminal
from loop.cli.access import Json, reading, show_json
from loop.release import directory
from loop.release.runs import render as rendering
from loop.release.runs.contract import SCHEMA

app = typer.Typer(add_completion=False, help="Rounds as runs: render.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(min=1, max=2**31 - 1, metavar="ROUND", help="Round number.")]
Out = Annotated[Path, typer.Option(help="Output directory. One made by this command is replaced.")]


@app.callback()
def runs() -> None:
    """Rounds as runs."""


@app.command()
def render(number: Number, *, out: Out, as_json: Json = False) -> None:
    """Render a round: target, data, post-training, eval, package and report, with its decision and next action."""
    directory.check(out, rendering.RUN, SCHEMA)
    with reading() as ask:
        run = rendering.render(ask, number)
    with directory.replacing(out, rendering.RUN, SCHEMA) as building:
        directory.fill(building, rendering.files(run))
    if as_json:
        show_json(rendering.as_json(run) | {"out": str(out)})
        return
    terminal.say(
        f"{out}: round {number}: {run.verdict.decision}. {run.verdict.reason}\nNext: {run.verdict.next_action}"
    )
