"""`loopd start`: be the daemon, here or in the background."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from loop import config, daemon, parts
from loop.cli import live, terminal, units
from loop.cli.terminal import Terminal
from loop.control import channel, notices, progress
from loop.errors import CannotCreate, ConfigError, LoopdError, NotRunning, ProviderError
from loop.runtime import child, disk, lock, log, paths
from loop.runtime.signals import Stopped, StopRequest
from loop.serve import endpoint
from loop.stages import soundness

app = typer.Typer(add_completion=False)

READY: Final = 120.0
"""Seconds that `loopd start` waits for the daemon in the background."""

Profile = Annotated[str | None, typer.Option(help="Built-in profile: quickstart or mac-studio.")]
Rounds = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Stop after this many training rounds; 0 only judges waiting candidates. Default: run until stopped.",
    ),
]
NoRay = Annotated[bool, typer.Option("--no-ray", help="Run plays in threads instead of Ray workers.")]
Foreground = Annotated[bool, typer.Option("--foreground", help="Stay in this terminal and show progress.")]
GiveUp = Annotated[
    bool, typer.Option(units.GIVE_UP, hidden=True, help="Exit with 0 where starting again would change nothing.")
]


@app.command()
def start(
    *,
    foreground: Foreground = False,
    profile: Profile = None,
    rounds: Rounds = None,
    no_ray: NoRay = False,
    give_up: GiveUp = False,
) -> None:
    """Start the loop, or go on where it stopped. In the background unless --foreground."""
    with _giving_up() if give_up else nullcontext():
        _start(foreground=foreground, profile=profile, rounds=rounds, no_ray=no_ray)


@contextmanager
def _giving_up() -> Iterator[None]:
    """Say what is wrong and end with 0, where a service manager that knows no exit codes would try again in vain."""
    try:
        yield
    except LoopdError as error:
        if error.exit_code not in units.FINAL:
            raise
        terminal.say(f"loopd: {error}", err=True)
        terminal.say("The service is not started again by itself. Mend that, then: loopd service install", err=True)


def _start(*, foreground: bool, profile: str | None, rounds: int | None, no_ray: bool) -> None:
    home = paths.find()
    flags: dict[str, Any] = {
        **({} if rounds is None else {"rounds": rounds}),
        **({"plays": {"pool": "local"}} if no_ray else {}),
    }
    settings = config.load(home, profile, flags, config.environment())
    home.create()
    if not foreground:
        return _start_in_background(home, settings)
    raise typer.Exit(run(home, settings))


def run(home: paths.Paths, settings: config.Config) -> int:
    """Be the daemon."""
    with lock.hold(home.data):
        log.set_up(home.logs)
        child.reap(home.run)
        console, shown = Terminal(), progress.Board(home.run, settings.profile)
        stop = StopRequest()
        stop.listen()
        try:
            with live.watching(shown, console), _built(settings, home, shown, stop) as loop:
                soundness.require(loop.store, loop.gates, loop.checkers, settings.rule, settings.gating.min_ceiling)
                soundness.require_external(settings.gating.external)
                config.remember(home, settings)
                with channel.serving(home.run, shown, loop.store), _endpoint(loop), _notices(loop):
                    daemon.run(loop)
        except Stopped as stopped:
            console.print(_farewell(shown.now))
            return stopped.exit_code
        except Exception as error:
            raise _as_bug(error, home) from error
        finally:
            shown.close()
        console.print(live.summary(shown.now.gates, shown.now.decision))
        return 0


def _built(
    settings: config.Config, places: paths.Paths, shown: progress.Board, stop: StopRequest
) -> AbstractContextManager[parts.Loop]:
    return parts.build(settings, places, shown, stop, windows=settings.windows)


def _endpoint(loop: parts.Loop) -> AbstractContextManager[None]:
    """Offer the champion to people beside the loop."""
    return endpoint.beside(loop.config, loop.paths, loop.store, loop.board, loop.base, busy=lambda: loop.gpu.leased)


def _notices(loop: parts.Loop) -> AbstractContextManager[None]:
    """Tell people at once what they may want to know."""
    return notices.watching(loop.config.notify, loop.config.database or loop.paths.database, loop.paths.data)


def _as_bug(error: Exception, home: paths.Paths) -> LoopdError:
    """Say what ended the daemon, and what to type next."""
    if isinstance(error, LoopdError) and not isinstance(error, ProviderError):
        return error
    if disk.ran_out(error, home.data):
        return CannotCreate("The disk is full. Nothing is lost. Free some space, then type: loopd start")
    if isinstance(error, ProviderError):
        return error
    structlog.get_logger().error("daemon_crashed", exc_info=error)
    again = f"The whole story is in {home.logs / log.FILE}. Nothing is lost; go on with: loopd start"
    return LoopdError(f"This is a bug: {type(error).__name__}: {error}. {again}")


def _farewell(now: progress.Progress) -> str:
    command = "make start" if "MAKELEVEL" in os.environ else "loopd start"
    return f"Stopped in round {now.round}, stage {now.stage}. Nothing is lost; go on with: {command}"


def _start_in_background(home: paths.Paths, settings: config.Config) -> None:
    if (pid := lock.holder(home.data)) is not None:
        with lock.hold(home.data):
            pass
        raise ConfigError(f"pid {pid} held {home.data} a moment ago. Try again.")
    arguments = [sys.executable, "-m", "loop.cli", "start", "--foreground", "--profile", settings.profile]
    if settings.rounds is not None:
        arguments += ["--rounds", str(settings.rounds)]
    if settings.plays.pool == "local":
        arguments += ["--no-ray"]
    output = home.logs / "daemon.log"
    with output.open("ab") as file:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    _wait_until_ready(child, home, output)


def _wait_until_ready(child: "subprocess.Popen[bytes]", home: paths.Paths, output: Path) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        if child.poll() is not None:
            last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            ended = f"The daemon ended with exit code {child.returncode}; see {output}"
            terminal.say("\n".join([*last, ended]), err=True)
            raise typer.Exit(child.returncode or 1)
        if progress.find(home.run) is not None:
            terminal.say(f"loopd runs (pid {child.pid}). Watch it with `loopd status`, end it with `loopd stop`.")
            return
        time.sleep(0.2)
    raise NotRunning(f"The daemon was not ready within {READY:.0f} s; see {output}")
