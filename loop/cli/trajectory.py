"""`loopd trajectory`: single plays."""

from typing import Annotated

import typer

from loop.cli import transcript
from loop.cli.records import store
from loop.cli.terminal import Terminal

app = typer.Typer(add_completion=False, help="Single plays.", no_args_is_help=True)


@app.callback()
def trajectory() -> None:
    """Single plays."""


@app.command()
def show(trajectory_id: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")]) -> None:
    """Print a play as a person would read it."""
    with store() as opened:
        Terminal().print(transcript.play(opened.trajectories.get(trajectory_id)))
