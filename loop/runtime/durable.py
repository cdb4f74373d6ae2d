"""Files that are there whole or not at all: written beside their place, synced, then renamed.

A rename within a directory is atomic on every file system that loopd meets; what it names must be on the disk before.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loop.errors import CannotCreate

DRAFT: Final = re.compile(r"\..+-[a-z0-9_]{8}")
"""Names of directories in which something was being built when a kill came."""


@contextmanager
def draft_in(folder: Path, prefix: str) -> Iterator[Path]:
    """Give a private directory on the disk of a folder, to build something in; what is left in it goes in the end.

    Args:
        folder: where the finished thing will lie; made where it is missing.
        prefix: begins the directory's name. A kill leaves such a directory behind, and `loopd gc` knows it by that.

    Raises:
        CannotCreate: the folder cannot be written, or the block ended in an `OSError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    except OSError as error:
        raise CannotCreate(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield draft
    except OSError as error:
        raise CannotCreate(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def sync(path: Path) -> None:
    """Make sure that a file or directory is on the disk, and on a Mac not only in the drive's memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is None:
            os.fsync(handle)
        else:
            fcntl.fcntl(handle, full)
    finally:
        os.close(handle)


def move_into_place(building: Path, target: Path) -> None:
    """Sync a directory with all that is in it, rename it, and sync the directory that now names it.

    Raises:
        OSError: it cannot be synced or renamed, or `target` is there already.
    """
    for path in (*sorted(building.rglob("*")), building):
        sync(path)
    building.rename(target)
    sync(target.parent)


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file in place of whatever has its name; a reader sees the old text or the new.

    Args:
        path: the file.
        text: what it shall hold, as UTF-8.
        durable: false where a power cut may cost the new text.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    if durable:
        sync(draft)
    draft.replace(path)


def sha256(path: Path) -> str:
    """Digest a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
