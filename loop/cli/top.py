"""`loopd top`: what the daemon does, kept fresh in the terminal; plain lines where there is none."""

import shutil
import sys
import time
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from loop.cli import access, live
from loop.cli.terminal import Terminal
from loop.control import progress
from loop.errors import LoopdError, NotRunning
from loop.runtime import paths
from loop.runtime.query import Query
from loop.ui import overview, story

app = typer.Typer(add_completion=False)

PLAIN: Final = 5.0
"""Seconds between two plain lines, at least."""
GIB: Final = 2**30


@app.command()
def top(
    *,
    every: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between updates.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print once and exit.")] = False,
) -> None:
    """Watch the daemon until Ctrl-C. It need not be running yet."""
    console, places = Terminal(file=sys.stdout), paths.find()
    if once:
        console.print(_picture(places))
    elif console.is_terminal:
        with Live(console=console, screen=True, auto_refresh=False) as shown:
            while True:
                shown.update(_picture(places), refresh=True)
                time.sleep(every)
    else:
        _tell_on(console, places, max(every, PLAIN))


def _tell_on(console: Terminal, places: paths.Paths, every: float) -> None:
    """Print a line a look, for as long as the daemon runs.

    Raises:
        NotRunning: it does not run.
    """
    now: progress.Progress | None = progress.read(places.run)
    while now is not None:
        console.print(live.line(now), soft_wrap=True, highlight=False)
        time.sleep(every)
        now = progress.find(places.run)
    raise NotRunning("The daemon ended. Type: loopd status")


def _picture(places: paths.Paths) -> RenderableType:
    now = progress.find(places.run)
    parts: list[RenderableType] = [live.picture(now, hint=None)] if now else []
    try:
        with access.reading() as ask:
            parts += [*([] if now else [Text(story.now(ask, None), style="bold")]), *_facts(ask)]
    except LoopdError as error:
        parts.append(Text(str(error)))
    return Group(*parts, _disk(places))


def _facts(ask: Query) -> list[Text]:
    """Say what became of the last candidate, what is paused, what waits and what was spent."""
    lines = [Text(story.why(ask))]
    lines += [
        Text(f"paused: {gate}{f' ({reason})' if reason else ''}", style="yellow")
        for gate, reason in story.paused(ask).items()
    ]
    lines += [
        Text(f"{each['credential']} waits until {_clock(each['until'])}: {each['reason']}")
        for each in overview.waiting(ask)
    ]
    spent = [f"{each['teacher']} ${each['cost_usd']:.2f} in {int(each['calls'])} calls" for each in overview.spend(ask)]
    return [*lines, Text(f"teachers: {', '.join(spent)}", style="dim")] if spent else lines


def _clock(moment: float) -> str:
    return time.strftime("%H:%M", time.localtime(moment))


def _disk(places: paths.Paths) -> Text:
    if not places.data.is_dir():
        return Text("")
    return Text(f"disk: {shutil.disk_usage(places.data).free / GIB:.1f} GiB free at {places.data}", style="dim")
