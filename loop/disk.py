"""Room on the disk: checked before every stage, and recognised where it runs out within one."""

import errno
import shutil
from pathlib import Path
from typing import Final

from loop.errors import CannotCreate

NEEDED: Final = 256 * 2**20
"""Bytes that one stage may write: checkpoints with their optimizer's state are the most of it."""
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
            f"Only {free / 2**20:.0f} MiB are free on the disk of {path}, and a stage may write {needed / 2**20:.0f}. "
            "Nothing is lost. Free some space, then type: loopd start"
        )


def ran_out(error: Exception, path: Path) -> bool:
    """Say whether an error means that the disk of `path` is full: its own words, or a child that could not tell."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return shutil.disk_usage(path).free < NOTHING
