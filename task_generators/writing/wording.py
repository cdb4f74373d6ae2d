"""How users say things, and how a good assistant ends a turn: data, one file a backend, edited without code.

A file holds a table for each move. Its three sets, `training`, `heldout` and `sealed`, share no frame: one frame a
line, `{blanks}` filled by the move, `[one|another]` a choice. `closing` holds the messages that end the turn. `missing`
holds the words for what a request lacks, where it lacks something.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from itertools import product
from pathlib import Path
from random import Random
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ValidationError

from loop.errors import ConfigError, nearest
from loop.types import Record, Split

MOST_CHOICES: Final = 512
"""Sentences that one frame may stand for."""

ENDING: Final = ".toml"

CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
BLANK: Final = re.compile(r"\{(\w+)\}")


def _lines(value: object) -> object:
    """Read a text as its lines; blank ones separate nothing."""
    return tuple(line.strip() for line in value.splitlines() if line.strip()) if isinstance(value, str) else value


def _sound(frames: tuple[str, ...]) -> tuple[str, ...]:
    """Hold frames to brackets and braces that close, and to few enough choices."""
    for frame in frames:
        rest = BLANK.sub("", CHOICE.sub("", frame))
        if set("[]{}|") & set(rest) or BLANK.sub("", "".join(CHOICE.findall(frame))).count("{"):
            raise ValueError(f"'{frame}' has a bracket or a brace that does not close")
        if len(variants(frame)) > MOST_CHOICES:
            raise ValueError(f"'{frame}' stands for more than {MOST_CHOICES} sentences")
    if len(set(frames)) != len(frames):
        raise ValueError("a frame stands there twice")
    return frames


Frames = Annotated[tuple[str, ...], BeforeValidator(_lines), AfterValidator(_sound)]
"""Frames of one set, as they stand in the file."""


class Phrasing(Record):
    """Everything that can be said of one move."""

    training: Frames = ()
    heldout: Frames = ()
    sealed: Frames = ()
    closing: Frames = ()
    missing: tuple[str, ...] = ()
    """Words for what the request lacks, any of which names it."""

    def of(self, split: Split) -> tuple[str, ...]:
        """Give the frames of one split."""
        return {Split.TRAIN: self.training, Split.HELDOUT: self.heldout, Split.SEALED: self.sealed}[split]

    @cached_property
    def sentences(self) -> Mapping[Split, tuple[tuple[str, ...], ...]]:
        """Every frame's sentences, their choices made and their blanks left, for each split."""
        return {split: tuple(map(variants, self.of(split))) for split in Split}

    @cached_property
    def endings(self) -> tuple[tuple[str, ...], ...]:
        """The same for the messages that end the turn."""
        return tuple(map(variants, self.closing))


def variants(frame: str) -> tuple[str, ...]:
    """List the sentences that a frame stands for: every choice made, blanks left."""
    pieces = CHOICE.split(frame)
    options = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return tuple(dict.fromkeys(" ".join("".join(chosen).split()) for chosen in product(*options)))


def draw(sentences: tuple[tuple[str, ...], ...], rng: Random) -> str:
    """Draw a frame, then one of its sentences: a frame with many choices comes no more often than another."""
    return rng.choice(rng.choice(sentences))


@cache
def wording(name: str) -> Mapping[str, Phrasing]:
    """Read a file: a shipped one by the name that it has without its ending, any other by its path.

    Raises:
        ConfigError: it cannot be read, or a move's entry is wrong; names file, move and set.
    """
    shipped = files("task_generators.wording") / f"{name}.toml"
    return read(Path(name) if name.endswith(ENDING) else Path(str(shipped)))


def read(path: Path) -> Mapping[str, Phrasing]:
    """Read a file of moves.

    Raises:
        ConfigError: it cannot be read, or a move's entry is wrong; names file, move and set.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as wording: {type(error).__name__}: {error}") from error
    return {move: _phrasing(entry, f"{path}, [{move}]") for move, entry in tables.items()}


def _phrasing(entry: object, location: str) -> Phrasing:
    try:
        return Phrasing.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{location}: '{'.'.join(map(str, first['loc']))}': {first['msg']}.") from error


def phrasing(name: str, move: str) -> Phrasing:
    """Look a move's wording up.

    Raises:
        ConfigError: the file has no such move.
    """
    moves = wording(name)
    if move not in moves:
        raise ConfigError(f"The wording '{name}' has no move '{move}'.{nearest(move, list(moves))}")
    return moves[move]
