"""`loopd stop`: end the daemon between two writes."""

import signal
from typing import Final

import psutil
import typer

from loop.cli import terminal
from loop.errors import LoopdError, NotRunning
from loop.runtime import lock, paths

app = typer.Typer(add_completion=False)

GONE: Final = 30.0
"""Seconds that `loopd stop` waits."""


@app.command()
def stop() -> None:
    """End the daemon between two writes; `loopd start` goes on from there."""
    places = paths.find()
    pid = lock.holder(places.data)
    if pid is None:
        raise NotRunning
    process = psutil.Process(pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GONE)
    except psutil.TimeoutExpired as error:
        raise LoopdError(
            f"pid {pid} has not ended within {GONE:.0f} s. Type `loopd stop` again to end it at once."
        ) from error
    terminal.say("loopd has stopped. Nothing is lost; go on with `loopd start`.")
