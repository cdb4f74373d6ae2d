"""Data files of this package: TOML lists that a person keeps, each entry with its reason or source."""

import tomllib
from importlib.resources import files
from typing import TypeVar

from pydantic import ValidationError

from loop.errors import ConfigError
from loop.types import Record
from loop.types.record import first_fault

R = TypeVar("R", bound=Record)


def listed(file: str, kind: type[R]) -> tuple[R, ...]:
    """Read the tables `[[listed]]` of a data file.

    Raises:
        ConfigError: it cannot be read, or an entry is not of this kind; names the file and the entry.
    """
    path = files("task_generators.suites").joinpath(file)
    try:
        entries = list(tomllib.loads(path.read_text(encoding="utf-8"))["listed"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read as a list: {type(error).__name__}: {error}. Install anew.") from error
    return tuple(_entry(entry, kind, f"{path}, {_place(entry, n)}") for n, entry in enumerate(entries, start=1))


def _place(entry: object, number: int) -> str:
    """Name an entry by its number and, where it has one, its name."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"entry {number}, '{name}'" if isinstance(name, str) else f"entry {number}"


def _entry(entry: object, kind: type[R], location: str) -> R:
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(f"{location}: {first_fault(error)}.") from error
