"""`loopd init`: five questions, and a commented loopd.toml that answers them."""

import shutil
import stat
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import tomlkit
import typer

from loop import config
from loop.cli import terminal
from loop.errors import CannotCreate, ConfigError, UsageError, nearest
from loop.runtime import paths
from loop.runtime.durable import replace_text
from loop.types import Record
from loop.windows.hours import spelled

app = typer.Typer(add_completion=False)

PROFILES: Final[Mapping[str, str]] = MappingProxyType({"small": "quickstart", "4b": "mac-studio"})
"""Models that have a profile; any other is trained as the 4B model is."""
TEACHERS: Final = ("scripted", "codex", "deepseek", "openai")
GENERATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "GorillaFileSystem": "files",
        "MathAPI": "maths",
        "MessageAPI": "messages",
        "SQL": "sql",
        "TicketAPI": "tickets",
        "TradingBot": "trading",
        "TravelAPI": "travel",
        "TwitterAPI": "twitter",
        "VehicleControlAPI": "vehicle",
    }
)
"""What makes the tasks of each backend."""
ALL: Final = "all"
ANY: Final = "any"

Model = Annotated[str | None, typer.Option(help="small, 4b, a directory, a .gguf file, or owner/name@revision.")]
Teachers = Annotated[str | None, typer.Option(help="Comma-separated: scripted, codex, deepseek, openai.")]
KeyFiles = Annotated[
    list[str] | None, typer.Option("--key-file", metavar="TEACHER=FILE", help="File with the API key.")
]
Url = Annotated[str | None, typer.Option(help="For openai: the server's URL, including /v1.")]
Served = Annotated[str | None, typer.Option(help="For openai: the model name.")]
Backends = Annotated[str | None, typer.Option(help="Backends to practise: all, or comma-separated names.")]
Hours = Annotated[str | None, typer.Option(help="Hours for work on the GPU: any, or such as 22:00-07:00.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes for plays.")]
Disk = Annotated[int | None, typer.Option(min=0, help="GiB of disk for cached prompt prefixes.")]
Out = Annotated[Path | None, typer.Option(help="Output file. Default: loopd.toml in the home's settings.")]


class TeacherChoice(Record):
    """A teacher that was chosen."""

    use: str
    key_file: str = ""
    url: str = ""
    model: str = ""


class Answers(Record):
    """What was answered."""

    model: str
    teachers: tuple[TeacherChoice, ...]
    backends: tuple[str, ...]
    """Empty for all."""
    hours: tuple[str, ...]
    """Empty for any."""
    workers: int | None
    disk: int
    """GiB."""


@app.command()
def init(  # noqa: PLR0913 - one option a question
    *,
    model: Model = None,
    teachers: Teachers = None,
    key_file: KeyFiles = None,
    url: Url = None,
    served: Served = None,
    backends: Backends = None,
    hours: Hours = None,
    workers: Workers = None,
    disk: Disk = None,
    out: Out = None,
) -> None:
    """Ask five questions and write a commented loopd.toml. Never overwrites; options skip questions."""
    home = paths.find()
    file = out or home.config / "loopd.toml"
    if file.exists():
        raise CannotCreate(f"{file} is there already, and stays as it is. Move it away, or name another: --out FILE")
    free = f"{shutil.disk_usage(_standing(home.data)).free / 2**30:.0f} GiB are free"
    answers = Answers(
        model=_ask(model, f"1. Model: {', '.join(PROFILES)}, a directory, a .gguf file, owner/name@revision", "small"),
        teachers=_teachers(teachers, key_file or (), url, served),
        backends=_backends(_ask(backends, f"3. Backends: {ALL}, or some of {', '.join(GENERATORS)}", ALL)),
        hours=_hours(
            _ask(hours, f"4. Hours for work on the GPU: {ANY}, or such as 22:00-07:00; mon-fri 18:00-8:00", ANY)
        ),
        workers=workers,
        disk=_number(_ask(_word(disk), f"5. GiB of disk for computed prompts ({free})", "4"), 0),
    )
    text = spelt(answers)
    config.examine(config.combine(_sources(file, text)))
    _write(file, text)
    terminal.say(f"{file} is written. Look at it, then type: loopd start")


def spelt(answers: Answers) -> str:
    """Write the answers as TOML, each with what it means."""
    profile = PROFILES.get(answers.model, PROFILES["4b"])
    parts = [
        "# Settings of loopd. What is not here comes from the profile: loopd config show --origin",
        f"\n# What everything else is set by: {', '.join(config.profiles())}.\nprofile = {_value(profile)}",
        "" if answers.teachers else "teachers = []",
        _student(answers),
        _sampling(answers.backends),
        _windows(answers.hours),
        _plays(answers.workers),
        *map(_teacher, answers.teachers),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _student(answers: Answers) -> str:
    lines = ["\n[student]"]
    if answers.model not in PROFILES:
        lines += ["# The model that learns. A hub id needs its revision, so that it cannot change under you."]
        lines += [f"source = {_value(answers.model)}", 'template = "native"']
    lines += ["# MiB of disk for computed prompts, so that no server computes them again; 0 keeps none."]
    return "\n".join([*lines, f"prefix_mib = {answers.disk * 1024}"])


def _sampling(backends: Sequence[str]) -> str:
    if not backends:
        return ""
    made = "\n".join(f"[[sampling.generators]]\nuse = {_value(GENERATORS[name])}" for name in backends)
    why = "# What it practises; the gates still measure everything."
    return f"\n[sampling]\n{why}\nfamilies = []\nbackends = {_value(list(backends))}\n\n{made}"


def _windows(hours: Sequence[str]) -> str:
    if not hours:
        return ""
    why = "# When it plays, trains and measures. Teachers, checkers and whoever asks the champion are not bound."
    also = '# Besides: mains = true, idle_minutes = 10, pressure = "moderate"'
    return f"\n[windows]\n{why}\n{also}\nhours = {_value(list(hours))}"


def _plays(workers: int | None) -> str:
    if workers is None:
        return ""
    return f"\n[plays]\n# Worker processes. Each keeps a core busy while a tool computes.\nworkers = {workers}"


def _teacher(teacher: TeacherChoice) -> str:
    lines = ["\n[[teachers]]", f"use = {_value('openai_compatible' if teacher.use == 'openai' else teacher.use)}"]
    settings = {"base_url": teacher.url, "model": teacher.model, "key_file": teacher.key_file}
    given = ", ".join(f"{name} = {_value(value)}" for name, value in settings.items() if value)
    if teacher.key_file:
        lines += ["# The key stays in its file."]
    return "\n".join([*lines, *([f"settings = {{ {given} }}"] if given else [])])


def _teachers(
    given: str | None, key_files: Sequence[str], url: str | None, served: str | None
) -> tuple[TeacherChoice, ...]:
    words = _ask(given, f"2. Teachers: some of {', '.join(TEACHERS)}", "scripted")
    files = dict(_key_file(pair) for pair in key_files)
    chosen = []
    for use in _split(words, TEACHERS, "teacher"):
        keyed = use == "deepseek" or (use == "openai" and not url)
        file = files.get(use) or (_ask(None, f"   {use}: file with its key, of mode 600", "") if keyed else "")
        server, model = ("", "")
        if use == "openai":
            server, model = _ask(url, "   Server, with its /v1", ""), _ask(served, "   Model", "")
        chosen.append(TeacherChoice(use=use, key_file=_checked(use, file), url=server, model=model))
    return tuple(chosen)


def _key_file(pair: str) -> tuple[str, str]:
    use, equals, file = pair.partition("=")
    if not equals or use not in TEACHERS:
        raise UsageError(f"--key-file takes TEACHER=FILE, such as deepseek=~/.key. Teachers: {', '.join(TEACHERS)}")
    return use, file


def _checked(use: str, file: str) -> str:
    """Make sure that a key's file is one, and its owner's alone. The key is not read."""
    if not file:
        return ""
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"{use}: there is no file {file}. Write the key to it, then: chmod 600 {file}")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{use}: others can read {file}. Type: chmod 600 {file}")
    return str(path)


def _backends(words: str) -> tuple[str, ...]:
    return () if words.strip() == ALL else _split(words, tuple(GENERATORS), "backend")


def _hours(words: str) -> tuple[str, ...]:
    named = tuple(each.strip() for each in words.split(";") if each.strip() not in {"", ANY})
    try:
        return tuple(spelled(each) for each in named)
    except ValueError as error:
        raise ConfigError(f"{error}. Several are set apart by semicolons.") from error


def _split(words: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    for word in named:
        if word not in known:
            raise ConfigError(f"There is no {what} '{word}'.{nearest(word, tuple(known))}")
    return named


def _number(text: str, least: int) -> int:
    if not text.isdecimal() or len(text) > 6 or int(text) < least:  # noqa: PLR2004 - a million of anything is a mistake
        raise UsageError(f"'{text[:40]}' is not a number of at least {least}.")
    return int(text)


def _ask(given: str | None, question: str, usual: str) -> str:
    """Take the option; at a terminal ask; otherwise take what is usual."""
    if given is not None:
        return given
    return str(typer.prompt(question, default=usual, err=True)) if _at_a_terminal() else usual


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _word(number: int | None) -> str | None:
    return None if number is None else str(number)


def _value(value: Any) -> str:  # noqa: ANN401 - whatever TOML can say
    return str(tomlkit.item(value).as_string())


def _standing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _sources(file: Path, text: str) -> tuple[config.SettingSource, ...]:
    """Give what the file would mean, alone over its profile."""
    own = tomllib.loads(text)
    first, *_ = config.gather(paths.find(), str(own["profile"]), {}, {})
    return first, config.SettingSource(str(file), own)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_text(file, text)
    except OSError as error:
        raise CannotCreate(f"{file} cannot be written: {error.strerror}. Name another: --out FILE") from error
