"""The command line: `loopd start`, and everything one wants to ask it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import structlog
import typer
from rich.console import Console

from loop import config, daemon, parts
from loop.cli import access, curriculum, dataset, doctor, gate, live, model, suite, teacher, trace, trajectory
from loop.cli.access import Json
from loop.control import channel, progress
from loop.errors import CannotCreate, ConfigError, LoopdError, NotFound, NotRunning, ProviderError
from loop.runtime import child as children
from loop.runtime import disk, lock, log, paths
from loop.runtime.signals import Stop, Stopped
from loop.stages import soundness

app = typer.Typer(
    help="A daemon that makes a small local tool-calling model better, week after week, and never worse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in (curriculum, dataset, gate, model, suite, teacher, trace, trajectory):
    app.add_typer(each.app, name=each.__name__.rpartition(".")[2])

app.command()(doctor.doctor)

READY: Final = 120.0
"""Seconds that `loopd start` waits for the daemon in the background."""
GONE: Final = 30.0
"""Seconds that `loopd stop` waits."""

Profile = Annotated[str | None, typer.Option(help="A set of settings that comes with loopd: quickstart, mac-studio.")]
Rounds = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="End after so many training rounds; 0 only judges what waits; without it, go on until stopped.",
    ),
]
NoRay = Annotated[bool, typer.Option("--no-ray", help="Run plays in threads instead of Ray workers.")]
Query = Annotated[str, typer.Argument(help="One SELECT; docs/sql.md lists the views.")]
Foreground = Annotated[bool, typer.Option("--foreground", help="Stay in this terminal and show what happens.")]


def main() -> None:
    """Run the command line; an error that the operator can mend is one line and an exit code."""
    try:
        app()
    except LoopdError as error:
        sys.stderr.write(f"loopd: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def start(
    *, foreground: Foreground = False, profile: Profile = None, rounds: Rounds = None, no_ray: NoRay = False
) -> None:
    """Start the loop, or go on where it stopped. In the background unless --foreground."""
    places = paths.find()
    flags: dict[str, Any] = {
        **({} if rounds is None else {"rounds": rounds}),
        **({"plays": {"pool": "local"}} if no_ray else {}),
    }
    settings = config.load(places, profile, flags, config.environment())
    places.create()
    if not foreground:
        return _start_in_background(places, settings)
    raise typer.Exit(_run(places, settings))


def _run(places: paths.Paths, settings: config.Config) -> int:
    """Be the daemon."""
    with lock.hold(places.data):
        log.set_up(places.logs)
        children.reap(places.run)
        console, shown = Console(), progress.Board(places.run, settings.profile)
        stop = Stop()
        stop.listen()
        try:
            with live.watching(shown, console), parts.build(settings, places, shown, stop) as loop:
                soundness.require(loop.store, loop.gates, loop.checkers, settings.rule, settings.gating.min_ceiling)
                config.remember(places, settings)
                with channel.serving(places.run, shown, loop.store):
                    daemon.run(loop)
        except Stopped as stopped:
            console.print(_farewell(shown.now))
            return stopped.exit_code
        except Exception as error:
            raise _told(error, places) from error
        finally:
            shown.close()
        console.print(live.summary(shown.now.gates, shown.now.decision))
        return 0


def _told(error: Exception, places: paths.Paths) -> LoopdError:
    """Say what ended the daemon, and what to type next."""
    if isinstance(error, LoopdError) and not isinstance(error, ProviderError):
        return error
    if disk.ran_out(error, places.data):
        return CannotCreate("The disk is full. Nothing is lost. Free some space, then type: loopd start")
    if isinstance(error, ProviderError):
        return error
    structlog.get_logger().error("daemon_crashed", exc_info=error)
    again = f"The whole story is in {places.logs / log.FILE}. Nothing is lost; go on with: loopd start"
    return LoopdError(f"This is a bug: {type(error).__name__}: {error}. {again}")


def _farewell(now: progress.Progress) -> str:
    command = "make start" if "MAKELEVEL" in os.environ else "loopd start"
    return f"Stopped in round {now.round}, stage {now.stage}. Nothing is lost; go on with: {command}"


def _start_in_background(places: paths.Paths, settings: config.Config) -> None:
    if (pid := lock.holder(places.data)) is not None:
        with lock.hold(places.data):
            pass
        raise ConfigError(f"pid {pid} held {places.data} a moment ago. Try again.")
    arguments = [sys.executable, "-m", "loop.cli", "start", "--foreground", "--profile", settings.profile]
    if settings.rounds is not None:
        arguments += ["--rounds", str(settings.rounds)]
    if settings.plays.pool == "local":
        arguments += ["--no-ray"]
    output = places.logs / "daemon.log"
    with output.open("ab") as file:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    _wait_until_ready(child, places, output)


def _wait_until_ready(child: "subprocess.Popen[bytes]", places: paths.Paths, output: Path) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        if child.poll() is not None:
            last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            sys.stderr.write("\n".join([*last, f"The daemon ended with exit code {child.returncode}; see {output}\n"]))
            raise typer.Exit(child.returncode or 1)
        if _status(places) is not None:
            typer.echo(f"loopd runs (pid {child.pid}). Watch it with `loopd status`, end it with `loopd stop`.")
            return
        time.sleep(0.2)
    raise NotRunning(f"The daemon was not ready within {READY:.0f} s; see {output}")


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
    typer.echo("loopd has stopped. Nothing is lost; go on with `loopd start`.")


@app.command()
def status(*, as_json: Json = False) -> None:
    """Say what the daemon is doing, or where it stopped."""
    places = paths.find()
    now = _status(places)
    paused = _paused()
    if as_json:
        told = {"schema": "loopd/v1", "running": now is not None, "paused": list(paused), **_as_json(now)}
        typer.echo(json.dumps(told, indent=1))
    elif now is not None:
        Console().print(live.picture(now))
    else:
        typer.echo(f"loopd is not running. {_last_round()}")
    if paused and not as_json:
        which = ", ".join(f"{gate} ({reason})" if reason else gate for gate, reason in paused.items())
        typer.echo(
            f"Paused gates: {which}; nobody is promoted meanwhile. Resume: loopd gate resume {next(iter(paused))}"
        )


def _status(places: paths.Paths) -> progress.Progress | None:
    try:
        return progress.read(places.run)
    except NotRunning:
        return None


def _paused() -> dict[str, str]:
    """Name the paused gates, each with the reason given, where there is a store to ask."""
    try:
        with access.reading() as query:
            rows = query("select gate, reason from gate_pause order by gate").rows
            return {str(gate): str(reason) for gate, reason in rows}
    except LoopdError:
        return {}


def _as_json(now: progress.Progress | None) -> dict[str, Any]:
    if now is None:
        return {"last_round": _last_round()}
    return {**now.model_dump(mode="json"), "rate": now.rate, "seconds_left": now.seconds_left}


def _last_round() -> str:
    try:
        with access.reading() as query:
            rows = query("select round, state, reason from v_rounds order by round desc limit 1").rows
    except NotFound:
        return "Start it with: loopd start"
    if not rows:
        return "No round has begun."
    number, state, reason = rows[0]
    return f"Round {number} is at '{state}'{f': {reason}' if reason else ''}."


@app.command()
def sql(query: Query, *, as_json: Json = False) -> None:
    """Ask the store, also while the daemon runs. Read only."""
    access.show_query(query, as_json=as_json)


if __name__ == "__main__":
    main()
