"""`loopd`: which verbs there are. Each stands in the file of its name and is imported when somebody types it."""

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module, metadata
from types import FrameType, MappingProxyType
from typing import Annotated, Any, Final, NoReturn, TextIO

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from loop.errors import CannotCreate, LoopdError, UsageError
from loop.redaction import shown

VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "setup": "Bring the worlds' data and the embedded model: once, after an installation without a checkout.",
        "init": "Ask five questions and write the settings.",
        "start": "Start the loop, or go on where it stopped.",
        "status": "Show what the daemon is doing, or where it stopped.",
        "ui": "Open the dashboard in a browser.",
        "top": "Watch the daemon in the terminal.",
        "logs": "Read what the daemon wrote down.",
        "stop": "Stop the daemon between two writes.",
        "config": "Settings: show, check, schema.",
        "backup": "Copy the store and its models into one file.",
        "curriculum": "Curriculum arms: show, freeze and reweight them.",
        "dataset": "Training datasets: list, show, diff, export.",
        "doctor": "Check this machine and its settings, with a fix for each problem.",
        "fsck": "Verify the integrity of the store and of all files.",
        "gc": "Delete what nothing refers to; without --yes, only list it.",
        "gate": "Promotion gates: list, show, explain, power, pause, resume.",
        "model": "Policies: list, show, chat, export, rollback and more.",
        "serve": "Serve the champion to OpenAI-compatible clients on this machine.",
        "release": "Releases: a policy with its card and evidence in one directory; measure, index.",
        "run": "Render a round as a run, from its target to its report.",
        "service": "Start loopd at login: install, uninstall, status.",
        "route": "Which policy would answer a request: explain, eval.",
        "restore": "Put a backup back.",
        "sql": "Query the store.",
        "suite": "Held-out suites: list, show, add, run, audit, flaw.",
        "teacher": "Teachers: list, show, test, probe, budget.",
        "correct": "Rate an answer, or say what it should have been.",
        "correction": "Corrections: list, check, confirm, withdraw, export.",
        "trace": "Traces of conversations from elsewhere: inspect, import, filter, train and more.",
        "trajectory": "Single plays: list, show.",
    }
)
"""Every verb, in the order of `loopd --help`, with its line there. Its module has an `app`."""


class Verbs(TyperGroup):
    """The verbs, imported one at a time: listing them needs none of their modules."""

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer brings a click of its own
        """Name the verbs, in the order of the help."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - typer brings a click of its own
        """Import one verb; while the verbs are only listed, their own lines will do."""
        del ctx
        if cmd_name not in VERBS:
            return None
        if self.listing:
            return TyperCommand(cmd_name, help=VERBS[cmd_name])
        command = get_command(import_module(f"loop.cli.{cmd_name}").app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer brings a click of its own
        """Print the help without importing a verb."""
        self.listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:  # noqa: ANN401 - typer brings a click of its own
        """Complete a verb's name without importing it."""
        self.listing = True
        return super().shell_complete(ctx, incomplete)


app = typer.Typer(
    cls=Verbs,
    help="A daemon that makes a small local tool-calling model better, week after week, and never worse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code of what Ctrl-C ended."""
BUG: Final = 70
"""The exit code of what should not happen; EX_SOFTWARE of sysexits.h."""
LONGEST: Final = 500
"""Characters of a message about a command line: it may repeat a word that somebody pasted."""
CONFIG: Final = "LOOPD_CONFIG"
"""The variable by which the daemon and its children know the file of `--config`."""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - what typer calls it with
    if wanted:
        typer.echo(f"loopd {metadata.version('loopd-rest')}")  # noqa: TID251 - our own word, and no rich for it
        raise typer.Exit


@app.callback()
def loopd(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Settings besides loopd.toml; before or after a verb."),
    ] = None,
) -> None:
    """Make a small local tool-calling model better, week after week, and never worse."""


def main() -> None:
    """Run the command line; whatever goes wrong is one line and an exit code."""
    interrupts = _listen()
    try:
        code = app(_without_config(_text(sys.argv[1:])), prog_name="loopd", standalone_mode=False)
        if interrupts and code == INTERRUPTED:
            _end("interrupted", INTERRUPTED)  # typer makes a mere number of it
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except LoopdError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except typer.Abort:
        _end("stopped: there was no answer", UsageError.exit_code)
    except typer.TyperException as error:
        if said := error.format_message():  # none where its help was printed instead
            _end(_misread(said, error), error.exit_code)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _end(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", CannotCreate.exit_code)
    except Exception as error:  # noqa: BLE001 - the last resort: nobody who types a command is shown a traceback
        _end(f"This is a bug: {type(error).__name__}: {error!s:.500}. {_kept(traceback.format_exc())}", BUG)


def _listen() -> list[int]:
    """Count the interrupts from here on, where they are not ignored."""
    seen: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    return seen


def _text(words: list[str]) -> list[str]:
    """Refuse words that are no text: no file, store or provider could take them.

    Raises:
        UsageError: a word is no UTF-8.
    """
    for number, word in enumerate(words, 1):
        if not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise UsageError(f"Word {number} of the command line is not valid UTF-8: {word!r}")
    return words


def _misread(said: str, error: typer.TyperException) -> str:
    """Say what is wrong with a command line, and where its help is."""
    context = getattr(error, "ctx", None)
    verb = context.command_path if context is not None else "loopd"
    return f"{said[:LONGEST].rstrip('.')}. Its help: {verb} --help"


def _end(line: str, code: int) -> NoReturn:
    _silence(sys.stdout)
    with suppress(OSError):
        sys.stderr.write(f"loopd: {shown(line)}\n")
    sys.exit(code)


def _silence(stream: TextIO) -> None:
    """Keep Python from flushing, at its end, into a pipe or a disk that takes nothing more."""
    with suppress(OSError, ValueError):
        stream.flush()
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _kept(story: str) -> str:
    """Keep a traceback where the logs are, and say where."""
    from loop.runtime import paths  # noqa: PLC0415 - only who meets a bug needs it

    try:
        file = paths.find().logs / "cli.log"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat()} {story}\n")
    except (OSError, LoopdError) as error:
        return f"The traceback could not be kept: {error}"
    return f"The traceback is in {file}; please report it"


def _without_config(words: list[str]) -> list[str]:
    """Take `--config FILE` out, wherever it stands, and note it for this process and its children.

    Raises:
        UsageError: no file is named.
    """
    left: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*left, word, *rest]
        name, equals, value = word.partition("=")
        if name != "--config":
            left.append(word)
            continue
        file = value if equals else next(rest, "")
        if not file:
            raise UsageError("--config needs a file: loopd --config loopd.toml status")
        os.environ[CONFIG] = os.path.abspath(file)  # noqa: PTH100 - a name, not a place: it may not exist yet
    return left
