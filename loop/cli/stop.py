"""`loopd stop`: end the daemon between two writes."""

import signal
import time
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from loop.cli import terminal
from loop.control import progress
from loop.errors import CannotCreate, LoopdError, NotRunning
from loop.runtime import lock, paths

app = typer.Typer(add_completion=False)

WAIT: Final = 600.0
"""Seconds that `loopd stop` waits; a loaded machine needs long to write a checkpoint."""
TELL: Final = 5.0
"""Seconds between two lines about what the daemon still does."""
AT_ONCE: Final = 10.0
"""Seconds that a daemon has to end at once before it is killed."""
ASKED: Final = "stop-asked"
"""Says which daemon was asked to stop: asked a second time, it ends at once."""

Now = Annotated[bool, typer.Option("--now", help="Stop it at once. Only the step in progress is lost.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for it to stop.")]


@app.command()
def stop(*, now: Now = False, wait: Wait = WAIT) -> None:
    """Stop the daemon between two writes; `loopd start` resumes there."""
    home = paths.find()
    pid = lock.holder(home.data)
    if pid is None:
        raise NotRunning
    try:
        _end(psutil.Process(pid), home, wait=wait, now=now)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise CannotCreate(f"pid {pid} is another user's. Ask its owner to stop it.") from error
    terminal.say("loopd has stopped. Nothing is lost; go on with `loopd start`.")


def _end(process: psutil.Process, home: paths.Paths, *, wait: float, now: bool) -> None:
    _ask(process, home.run)
    if now:
        _end_at_once(process)
        return
    deadline = time.monotonic() + wait
    while not _gone(process, min(TELL, left := max(0.0, deadline - time.monotonic()))):
        if left <= TELL:
            raise LoopdError(f"pid {process.pid} still {_does(home)}. Wait for it, or end it: loopd stop --now")
        terminal.say(f"pid {process.pid} still {_does(home)}. Waiting; to end it at once: loopd stop --now", err=True)


def _end_at_once(process: psutil.Process) -> None:
    """A second signal ends the daemon without waiting for its step; a third cannot be ignored."""
    process.send_signal(signal.SIGTERM)
    if not _gone(process, AT_ONCE):
        process.kill()
        _gone(process, AT_ONCE)


def _ask(process: psutil.Process, run: Path) -> None:
    """Ask it to stop, unless somebody has."""
    note, name = run / ASKED, f"{process.pid} {process.create_time()}"
    if note.is_file() and note.read_text(encoding="utf-8", errors="replace") == name:
        return
    note.write_text(name, encoding="utf-8")
    process.send_signal(signal.SIGTERM)


def _gone(process: psutil.Process, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        return False
    return True


def _does(home: paths.Paths) -> str:
    try:
        now = progress.read(home.run)
    except NotRunning:
        return "ends its children"
    step = (
        f": {now.doing}, {now.done} of {now.total} {now.unit}" if now.total else f": {now.doing}" if now.doing else ""
    )
    return f"is in round {now.round}, stage {now.stage}{step}"
