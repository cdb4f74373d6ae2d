"""What only the owner can say of a release: a TOML or JSON file beside the command."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, ValidationError

from loop.canonical import NotJson, parse
from loop.errors import ConfigError
from loop.types import Record
from loop.types.record import first_fault

LARGEST: Final = 1_000_000
"""Bytes of a file that somebody hands over."""
Read = TypeVar("Read", bound=Record)


class Declarations(Record):
    """Everything in it is printed as it stands."""

    title: str = Field(default="", max_length=200)
    author: str = Field(default="", max_length=200)
    url: str = Field(default="", max_length=500, pattern=r"^(https://\S+)?$")
    """Where the release will lie, for the citation."""
    weights: str = Field(default="", max_length=500, pattern=r"^(https://\S+)?$")
    """Where the weights lie, where they are not in the directory."""
    licence: str = Field(default="", max_length=100)
    """Of the release: an SPDX identifier."""
    licences: Mapping[str, str] = {}
    """Licence or terms of each source of data, by the name that the data card gives it."""
    intended_use: str = Field(default="", max_length=5000)
    out_of_scope: str = Field(default="", max_length=5000)
    limitations: tuple[str, ...] = ()
    """Further limitations, beside those that the measurements tell."""
    parked: str = Field(default="", max_length=1000)
    """Why it is no longer worked on; empty while it is."""


def read(file: Path | None, record: type[Read]) -> Read:
    """Read a file of declarations.

    Raises:
        ConfigError: it cannot be read, is too long, is neither TOML nor JSON, or says what it may not.
    """
    if file is None:
        return record()
    try:
        return record.model_validate(_tree(file))
    except ValidationError as error:
        raise ConfigError(f"{file}: {first_fault(error)}") from error


def _tree(file: Path) -> Any:  # noqa: ANN401 - what a file can say
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ConfigError(f"{file} is longer than {LARGEST} bytes")
    try:
        return parse(data) if file.suffix == ".json" else tomllib.loads(data.decode())
    except (NotJson, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is neither TOML nor JSON: {error}") from error
