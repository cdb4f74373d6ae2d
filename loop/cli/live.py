"""What a person sees while the daemon runs: one live picture on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loop.cli.terminal import Terminal
from loop.control.progress import Board, Progress
from loop.types import SET, GateResult, GateVerdict, RoundState

STAGES: Final = [state for state in RoundState if state not in {RoundState.DONE, RoundState.FAILED}]
BARS: Final = "▁▂▃▄▅▆▇█"
EVERY: Final = 15.0
"""Seconds between two plain lines of one step."""
SHOWN: Final = 8
"""Characters of a champion's name that are shown."""
COLOURS: Final = {GateVerdict.HOLDS: "green", GateVerdict.FAILS: "red", GateVerdict.INCONCLUSIVE: "yellow"}


@contextmanager
def watching(board: Board, console: Terminal | None = None) -> Iterator[None]:
    """Show the board while the block runs."""
    console = console or Terminal(file=sys.stdout)
    if console.is_terminal:
        with Live(console=console, get_renderable=lambda: picture(board.now), refresh_per_second=4):
            yield
    else:
        with _plain(board, console):
            yield


@contextmanager
def _plain(board: Board, console: Terminal) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=_print_lines, args=(board, console, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _print_lines(board: Board, console: Terminal, ended: threading.Event) -> None:
    shown, last = ("", ""), 0.0
    while not ended.wait(0.5):
        now = board.now
        step = (now.stage, now.doing)
        if step != shown or time.monotonic() - last > EVERY:
            console.print(line(now), soft_wrap=True, highlight=False, markup=False)
            shown, last = step, time.monotonic()


def line(now: Progress) -> str:
    """One plain line: round, stage, step, progress, rate, pass rates, loss, time left."""
    where = f"round {now.round} {now.stage}" if now.round else now.stage
    parts = [f"{time.strftime('%H:%M:%S')} {where}"]
    if now.doing:
        parts.append(now.doing)
    if now.window:
        parts.append(f"work on the GPU waits for its window: {now.window}")
    if now.total:
        parts.append(f"{now.done}/{now.total} {now.unit}")
    if now.steady:
        parts.append(f"{now.rate:.0f}/min, {_clock(now.seconds_left)} left")
    if now.loss is not None and now.stage == RoundState.TRAIN:
        parts.append(f"loss {now.loss:.4f}")
    if now.tallies and now.stage in {RoundState.COLLECT, RoundState.CHECK, RoundState.GATE}:
        parts.append("; ".join(f"{who} {tally.wins}/{tally.plays}" for who, tally in sorted(now.tallies.items())))
    return " | ".join(parts)


def picture(now: Progress, hint: str | None = "Ctrl-C stops; the same command goes on") -> RenderableType:
    """Draw the whole moment: stages, step, pass rates, losses, last decision; below it a hint."""
    parts: list[RenderableType] = [_stages(now), _step(now)]
    if now.ahead:
        parts.append(Text(f"ahead, {now.ahead}", style="dim"))
    if now.window:
        parts.append(Text(f"work on the GPU waits for its window: {now.window}", style="yellow"))
    if now.tallies:
        parts.append(_tallies(now))
    if now.losses:
        parts.append(Text.assemble("loss ", (_spark(now.losses), "cyan"), f" {now.losses[-1]:.4f}"))
    if now.peak_gb is not None:
        foreseen = f", {now.foreseen_gb:.1f} GB foreseen" if now.foreseen_gb is not None else ""
        parts.append(Text(f"memory of the training: {now.peak_gb:.1f} GB used{foreseen}", style="dim"))
    if now.student:
        parts.append(Text(f"student: {now.student}", style="dim"))
    if now.audits:
        parts.append(Text(f"left out by the audit of wins: {now.audits}", style="yellow"))
    if now.decision:
        parts.append(Text(f"last decision: {now.decision}", style="bold"))
    title = Text(f"loopd · {now.profile} · round {now.round} · champion {_champion(now.champion)}")
    return Panel(Group(*parts), title=title, subtitle=hint, border_style="blue")


def _stages(now: Progress) -> Text:
    text, passed = Text(), True
    for state in STAGES:
        here = state == now.stage
        passed = passed and not here
        style = "bold white on blue" if here else "green" if passed else "dim"
        text.append(f" {'✓ ' if passed else ''}{state} ", style=style)
    return text


def _step(now: Progress) -> RenderableType:
    row = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(now.total, 1), completed=now.done, width=32, pulse=now.total == 0)
    left = f"{now.rate:.0f}/min, {_clock(now.seconds_left)} left" if now.steady else ""
    row.add_row(now.doing, bar, f"{now.done}/{now.total} {now.unit}" if now.total else "", left)
    return row


def _tallies(now: Progress) -> Table:
    table = Table(box=None, header_style="dim")
    for heading in ("who", "accepted", "plays", ""):
        table.add_column(heading, justify="left" if heading in {"who", ""} else "right")
    for who, tally in sorted(now.tallies.items()):
        share = tally.wins / tally.plays if tally.plays else 0.0
        table.add_row(who, f"{share:.0%}", str(tally.plays), ProgressBar(total=1, completed=share, width=24))
    return table


def summary(results: Sequence[GateResult], decision: str) -> RenderableType:
    """Tabulate a round's end: suite by champion, candidate, difference, interval, n; then the decision."""
    table = Table(title="Gates: champion and candidate, in % of plays", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("gate", "champion", "candidate", "difference", "95 %", "n", "verdict"):
        table.add_column(heading, justify="left" if heading in {"gate", "verdict"} else "right", no_wrap=True)
    for result in results:
        table.add_row(
            result.gate,
            f"{100 * result.champion_rate:.1f}",
            f"{100 * result.candidate_rate:.1f}",
            f"{100 * result.difference:+.1f}",
            f"{100 * result.low:+.0f} to {100 * result.high:+.0f}",
            f"{result.tasks} x {result.samples}",
            Text(result.verdict, style=COLOURS[result.verdict]),
        )
    return Group(table, Text(decision, style="bold")) if results else Text(decision, style="bold")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"  # noqa: PLR2004


def _spark(values: Sequence[float], width: int = 40) -> str:
    chosen = values[-width:]
    low, high = min(chosen), max(chosen)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[int((value - low) * scale)] for value in chosen)


def _champion(shown: str) -> str:
    return shown[: SHOWN + len(SET)] if shown.startswith(SET) else shown[:SHOWN] or "stock"
