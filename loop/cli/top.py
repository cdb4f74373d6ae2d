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
    console, home = Terminal(file=sys.stdout), paths.find()
    if once:
        console.print(_picture(home))
    elif console.is_terminal:
        with Live(console=console, screen=True, auto_refresh=False) as shown:
            while True:
                shown.update(_picture(home), refresh=True)
                time.sleep(every)
    else:
        _tell_on(console, home, max(every, PLAIN))


def _tell_on(console: Terminal, home: paths.Paths, every: float) -> None:
    """Print a line a look, for as long as the daemon runs.

    Raises:
        NotRunning: it does not run.
    """
    now: progress.Progress | None = progress.read(home.run)
    while now is not None:
        console.print(live.line(now), soft_wrap=True, highlight=False)
        time.sleep(every)
        now = progress.find(home.run)
    raise NotRunning("The daemon ended. Type: loopd status")


def _picture(home: paths.Paths) -> RenderableType:
    now = progress.find(home.run)
    parts: list[RenderableType] = [live.picture(now, hint=None)] if now else []
    try:
        with access.reading() as ask:
            parts += [*([] if now else [Text(story.now(ask, None), style="bold")]), *_facts(ask)]
    except LoopdError as error:
        parts.append(Text(str(error)))
    return Group(*parts, _disk(home))


def _facts(ask: Query) -> list[Text]:
    """Say what became of the last candidate, what is paused, what waits and what was spent."""
    lines = [Text(story.why(ask))]
    lines += [
        Text(f"paused: {gate}{f' ({reason})' if reason else ''}", style="yellow")
        for gate, reason in story.paused(ask).items()
    ]
    lines += [
        Text(f"{row['credential']} waits until {_clock(row['until'])}: {row['reason']}")
        for row in overview.waiting(ask)
    ]
    spent = [f"{row['teacher']} ${row['cost_usd']:.2f} in {int(row['calls'])} calls" for row in overview.spend(ask)]
    return [*lines, Text(f"teachers: {', '.join(spent)}", style="dim")] if spent else lines


def _clock(moment: float) -> str:
    return time.strftime("%H:%M", time.localtime(moment))


def _disk(home: paths.Paths) -> Text:
    if not home.data.is_dir():
        return Text("")
    return Text(f"disk: {shutil.disk_usage(home.data).free / GIB:.1f} GiB free at {home.data}", style="dim")
