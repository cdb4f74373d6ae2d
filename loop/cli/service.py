"""`loopd service`: have the system start loopd at login, and again after a crash."""

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from loop import config, plugins
from loop.cli import access, terminal, units
from loop.cli.access import Json
from loop.errors import AlreadyRunning, ConfigError, NotFound
from loop.redaction import redacted
from loop.runtime import lock, paths
from teachers.base.teacher import Teacher

USUAL: Final = ("/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
OWN: Final = (".local/bin", ".npm-global/bin", ".cargo/bin", ".bun/bin", ".volta/bin")
"""Where people's own programs lie, from their home on; of nvm, the newest."""
PROGRAMS: Final = ("codex", "node")
"""What teachers start: the Codex client, and what some of its packages run in."""
CARRIED: Final = ("LOOPD_HOME", "LOOPD_CONFIG", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PYTHONPATH")
"""Variables that say where things are: the service gets them as they are now."""
ALLOWED: Final = re.compile(
    r"LOOPD_\w+|\w+_FILE|\w+_DIR|HF_HOME|HF_HUB_OFFLINE|TZ|LANG|LC_\w+|PATH|PYTHONPATH|(HTTPS?|ALL|NO)_PROXY|"
    r"(https?|all|no)_proxy|XDG_\w+|TMPDIR"
)
"""What `--set` takes: settings, places and proxies. A key under any other name would be a key in a file."""
LOGIN: Final = re.compile(r"://[^/@\s]*@")

app = typer.Typer(
    add_completion=False, help="The system service: install, uninstall, status, print.", no_args_is_help=True
)

Profile = Annotated[str, typer.Option(help="Built-in profile.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Environment variable for the service (setting, path or proxy; never a key).",
    ),
]
Platform = Annotated[str, typer.Option("--system", hidden=True, help="darwin or linux.")]


@app.callback()
def service() -> None:
    """The system service: install, uninstall, status, print."""


@app.command()
def install(*, profile: Profile = "mac-studio", variables: Set = None) -> None:
    """Start loopd at login, and again after a crash: launchd on macOS, systemd on Linux."""
    home, system = paths.find(), units.here()
    text = _text(system, profile, variables or ())
    settings = config.load(home, profile, {}, config.environment())
    config.examine(settings)
    if (pid := lock.holder(home.data)) is not None and not system.runs():
        raise AlreadyRunning(f"loopd runs already (pid {pid}), not as a service. Type: loopd stop")
    home.create()
    system.install(text)
    terminal.say(f"{system.file} is installed and runs. See `loopd status`; end it with `loopd stop`.")
    for line in _warnings(settings):
        terminal.say(line, err=True)


@app.command()
def uninstall() -> None:
    """Stop the service and remove it."""
    system = units.here()
    if not system.file.exists():
        raise NotFound(f"There is no {system.file}: nothing was installed.")
    system.unload()
    system.file.unlink(missing_ok=True)
    terminal.say("The service is removed; the data is untouched. Start loopd by hand: loopd start")


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show whether the service is installed and running, and which programs it finds."""
    system = units.here()
    state = {"file": str(system.file), "installed": system.file.exists(), "runs": system.runs(), **programs(path())}
    if as_json:
        access.show_json(state)
    else:
        words = {"True": "yes", "False": "no"}
        terminal.say("\n".join(f"{name}: {words.get(str(value), value)}" for name, value in state.items()))


@app.command("print")
def print_file(*, profile: Profile = "mac-studio", variables: Set = None, platform: Platform = sys.platform) -> None:
    """Print the file that `install` would write."""
    terminal.say(_text(units.here(platform), profile, variables or ()).rstrip())


def path() -> str:
    """Say where the service looks for programs: where this shell looks, and where people's programs usually lie."""
    home = Path.home()
    newest = sorted(home.glob(".nvm/versions/node/*/bin"))[-1:]
    mine = [str(place) for place in (*(home / own for own in OWN), *newest) if place.is_dir()]
    given = [place for place in os.environ.get("PATH", "").split(os.pathsep) if place.startswith("/") and _safe(place)]
    return os.pathsep.join(dict.fromkeys([*given, *mine, *USUAL]))


def programs(search: str) -> dict[str, str]:
    """Say which of the programs that teachers start are found, and where."""
    return {name: shutil.which(name, path=search) or "not found" for name in PROGRAMS}


def _text(system: units.System, profile: str, pairs: Sequence[str]) -> str:
    if profile not in config.profiles():
        config.load(paths.find(), profile, {}, {})
    loopd = Path(sys.executable).with_name("loopd")
    program = str(loopd) if loopd.exists() else shutil.which("loopd")
    if program is None:
        raise NotFound(f"There is no `loopd` beside {sys.executable}. Install it: uv tool install loopd-rest")
    command = (program, "start", "--foreground", "--profile", profile)
    carried = {name: os.environ[name] for name in CARRIED if os.environ.get(name)}
    environment = {"PATH": path(), **carried, **dict(map(_pair, pairs))}
    _refuse_secrets(environment)
    return system.text(command, environment, paths.find().logs)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError("--set takes NAME=VALUE, such as --set DS_KEY_FILE=/Users/me/.deepseek")
    if not ALLOWED.fullmatch(name):
        raise ConfigError(
            f"--set {name}: a service gets settings, places and proxies, and no key. "
            "Write a key to a file of mode 600 and give its path: --set DS_KEY_FILE=PATH"
        )
    if name.endswith("_FILE"):
        _check_file(name, Path(value))
    return name, value


def _check_file(name: str, file: Path) -> None:
    if not file.is_absolute() or not file.is_file():
        raise ConfigError(f"--set {name}: give the full path of a file. Its content stays there.")
    if stat.S_IMODE(file.stat().st_mode) & 0o077 and "KEY" in name:
        raise ConfigError(f"--set {name}: others can read {file}. Type: chmod 600 {file}")


def _refuse_secrets(environment: Mapping[str, str]) -> None:
    """Refuse what looks like a key or a login, whatever its name says. The message does not repeat it."""
    for name, value in environment.items():
        if name != "PATH" and (LOGIN.search(value) or redacted(value) != value):
            raise ConfigError(f"{name} holds what looks like a key or a password; a service file is no place for it.")


def _safe(location: str) -> bool:
    """Whether nobody else can put programs there."""
    try:
        return not stat.S_IMODE(Path(location).stat().st_mode) & 0o002
    except OSError:
        return False


def _warnings(settings: config.Config) -> Iterator[str]:
    """Say what works in this shell and will not in the service."""
    for part in settings.teachers:
        teacher: Teacher = plugins.load("teachers", part)
        for name in teacher.variables:
            if name in os.environ and not ALLOWED.fullmatch(name):
                yield f"{teacher.name}: the service will not have {name}. Write the key to a file and give its path."
        if part.use == "codex" and programs(path())["codex"] == "not found":
            yield f"{teacher.name}: no `codex` was found. Install it, or name it: settings = {{ binary = PATH }}"
