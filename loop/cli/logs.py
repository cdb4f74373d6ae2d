"""`loopd logs`: the daemon's log as a person reads it, by round and stage; it need not run."""

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from loop.cli import terminal
from loop.cli.terminal import Terminal
from loop.errors import NotFound
from loop.redaction import shown
from loop.runtime import paths
from loop.runtime.log import FILE

app = typer.Typer(add_completion=False)

POLL: Final = 0.5
"""Seconds between two looks at the file."""
LONGEST: Final = 300
"""Characters of one fact."""
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
STYLES: Final = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
TOLD: Final = frozenset({"event", "level", "timestamp", "round", "stage", "exception"})
"""Keys that have a place of their own in a line."""

Follow = Annotated[bool, typer.Option("-f", "--follow", help="Follow the log until Ctrl-C.")]
Count = Annotated[int, typer.Option("-n", "--lines", min=0, max=1_000_000, help="Number of last lines to print.")]
Round = Annotated[int | None, typer.Option("--round", min=0, help="Only this round.")]
Stage = Annotated[str, typer.Option(help="Only this stage.")]
Level = Annotated[str, typer.Option(help="Minimum level: debug, info, warning, error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the raw lines: JSON objects.")]


@app.command()
def logs(  # noqa: PLR0913 - one option a filter
    *,
    follow: Follow = False,
    lines: Count = 100,
    rnd: Round = None,
    stage: Stage = "",
    level: Level = "info",
    as_json: AsJson = False,
) -> None:
    """Print the daemon's log."""
    file = paths.find().logs / FILE
    if not file.exists() and not follow:
        raise NotFound(f"There is no log at {file}. Type: loopd start")
    if level not in LEVELS:
        raise typer.BadParameter(f"'{level}' is not one of {', '.join(LEVELS)}", param_hint="--level")
    wanted = LineFilter(rnd, stage, LEVELS.index(level))
    printer = Printer(as_json=as_json)
    place = file.stat().st_size if file.exists() else 0
    for line in _last(file, lines, wanted, place):
        printer.print(line)
    if follow:
        for line in _new(file, place):
            if wanted.wants(line):
                printer.print(line)


class LineFilter:
    """Which lines are printed."""

    def __init__(self, rnd: int | None, stage: str, level: int) -> None:
        self._round, self._stage, self._level = rnd, stage, level

    def wants(self, line: str) -> bool:
        """Whether a line is one of them; what is no JSON is one where nothing was asked for."""
        event = _read(line)
        if event is None:
            return self._round is None and not self._stage
        level = LEVELS.index(event["level"]) if event.get("level") in LEVELS else len(LEVELS)
        right = self._round is None or event.get("round") == self._round
        return right and (not self._stage or event.get("stage") == self._stage) and level >= self._level


class Printer:
    """Prints lines under headings of their rounds and stages."""

    def __init__(self, *, as_json: bool) -> None:
        self._console = Terminal(highlight=False)
        self._json = as_json
        self._where: tuple[object, object] | None = None

    def print(self, line: str) -> None:
        """Print one."""
        event = _read(line)
        if self._json or event is None:
            terminal.say(line)
            return
        where = event.get("round"), event.get("stage")
        if where != self._where:
            self._console.print(_heading(*where), soft_wrap=True)
            self._where = where
        self._console.print(_spelled(event), soft_wrap=True)


def _heading(rnd: object, stage: object) -> Text:
    words = [f"round {rnd}"] if rnd is not None else ["outside any round"]
    return Text(f"── {', '.join([*words, *([str(stage)] if stage else [])])}", style="bold cyan")


def _spelled(event: Mapping[str, Any]) -> Text:
    style = STYLES.get(str(event.get("level")), "")
    text = Text.assemble(
        (_clock(event.get("timestamp")), "dim"), "  ", (str(event.get("event", "")).replace("_", " "), style)
    )
    for name, value in event.items():
        if name not in TOLD and value is not None:
            text.append(f"  {name}=", style="dim")
            text.append(_clipped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    if event.get("exception"):
        text.append(f"\n{event['exception']}", style="dim")
    return text


def _clock(timestamp: object) -> str:
    """Spell a moment in the time of this machine."""
    try:
        return f"{datetime.fromisoformat(str(timestamp)).astimezone():%m-%d %H:%M:%S}"
    except ValueError:
        return " " * 14


def _clipped(text: str) -> str:
    return shown(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def _read(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _last(file: Path, count: int, wanted: LineFilter, index: int) -> Iterable[str]:
    """Give the last lines that are wanted, of the file and of those that were rotated away."""
    older = [file.with_name(f"{file.name}.{n}") for n in range(9, 0, -1)]
    kept: deque[str] = deque(maxlen=count)
    for item in [path for path in older if path.exists()]:
        kept.extend(line for line in _lines(item, None) if wanted.wants(line))
    if file.exists():
        kept.extend(line for line in _lines(file, index) if wanted.wants(line))
    return kept


def _lines(file: Path, end: int | None) -> Iterator[str]:
    with file.open("rb") as opened:
        for line in opened:
            yield line.decode(errors="replace").rstrip("\n")
            if end is not None and opened.tell() >= end:
                return


def _new(file: Path, index: int) -> Iterator[str]:
    """Give whole lines as they are written; where the file was rotated, the rest of the old one and then the new."""
    opened, rest = None, b""
    try:
        while True:
            if opened is None and file.exists():
                opened = file.open("rb")
                opened.seek(index)
            over = opened is not None and _rotated(opened.fileno(), file)  # known first: then what is read is all
            *whole, rest = (rest + (opened.read() if opened else b"")).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
            if opened is not None and over:
                opened.close()
                opened, index, rest = None, 0, b""
            elif not whole:
                time.sleep(POLL)
    finally:
        if opened is not None:
            opened.close()


def _rotated(descriptor: int, file: Path) -> bool:
    here = os.fstat(descriptor)
    try:
        there = file.stat()
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)
