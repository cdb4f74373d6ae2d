"""Write conversations for others, in the form that each of them reads."""

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from loop.dataset import atif, inspect_log, parquet
from loop.dataset.chat_format import Arguments, row
from loop.errors import CannotCreate
from loop.types import Accepted


class ExportFormat(StrEnum):
    """A form in which conversations are written."""

    MESSAGES = "messages"
    """JSON lines with `messages` and `tools`: mlx-lm, TRL, OpenAI, the hub."""
    ATIF = "atif"
    """JSON lines, each a trajectory of ATIF 1.7: Harbor, NeMo."""
    INSPECT = "inspect"
    """One log of Inspect, whose viewer shows it."""
    PARQUET = "parquet"
    """Parquet, a conversation a row."""


def write(form: ExportFormat, accepted: Iterable[Accepted], path: Path, arguments: Arguments = "object") -> int:
    """Write conversations into a file, the same bytes for the same ones, and count them.

    Raises:
        CannotCreate: the file cannot be written.
        ConfigError: Parquet is asked for, and the library for it is not installed.
    """
    listed = list(accepted)
    writers: Final[Mapping[ExportFormat, Callable[[], None]]] = {
        ExportFormat.MESSAGES: lambda: _lines(path, [row(item, arguments) for item in listed]),
        ExportFormat.ATIF: lambda: _lines(path, [atif.document(item) for item in listed]),
        ExportFormat.INSPECT: lambda: _text(path, json.dumps(inspect_log.log(listed), ensure_ascii=False)),
        ExportFormat.PARQUET: lambda: parquet.write(listed, path),
    }
    try:
        writers[form]()
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror or error}") from error
    return len(listed)


def _lines(path: Path, rows: Iterable[Mapping[str, JsonValue]]) -> None:
    _text(path, "".join(f"{json.dumps(other, ensure_ascii=False)}\n" for other in rows))


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
