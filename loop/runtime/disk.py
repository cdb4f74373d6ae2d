"""Room on the disk: checked before every stage, and recognised where it runs out within one."""

import errno
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from safetensors import safe_open

from loop.errors import CannotCreate

NEEDED: Final = 256 * 2**20
"""Bytes that a stage may write beside a training's checkpoints."""
COPIES: Final = 14
"""How often what is trained may lie on the disk: four checkpoints (the latest, the one before, the best, one being
written), each with two moments of the optimizer, the result, and what is published of it."""
FLOAT: Final = 4
NOTHING: Final = 2 * 2**20
"""With less than this free, whatever failed has failed for want of room."""
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def check(path: Path, needed: int = NEEDED) -> None:
    """Refuse to begin what could not be written.

    Raises:
        CannotCreate: less than `needed` bytes are free where `path` is.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise CannotCreate(
            f"Only {free / 2**20:.0f} MiB are free on the disk of {path}, and a stage may need {needed / 2**20:.0f}. "
            "Nothing is lost. Free some space, then type: loopd start"
        )


def of_training(base: Path, rank: int, *, full: bool) -> int:
    """Foresee what a training may write, in bytes, from the shapes of the base model's weights.

    Args:
        base: the base model's directory.
        rank: the adapter's.
        full: all weights are trained, and no adapter.
    """
    sizes = (math.prod(shape) if full else rank * sum(shape) for shape in _trained(base, full=full))
    return NEEDED + COPIES * FLOAT * sum(sizes)


def _trained(base: Path, *, full: bool) -> Iterator[list[int]]:
    for path in base.glob("*.safetensors"):
        with safe_open(path, framework="np") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no mapping
                shape = weights.get_slice(name).get_shape()
                if full or (".layers." in name and len(shape) > 1):
                    yield shape


def ran_out(error: Exception, path: Path) -> bool:
    """Say whether an error means that the disk of `path` is full: its own words, or a child that could not tell."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return shutil.disk_usage(path).free < NOTHING
