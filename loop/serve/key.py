"""The key to the public endpoint: made once, in a file that only this user reads, never in a log or a command line."""

import os
import secrets
from pathlib import Path
from typing import Final

from loop.errors import CannotCreate, Unsafe

FILE: Final = "serve.key"
BEGIN: Final = "sk-loopd-"
PRIVATE: Final = 0o077
"""Bits of a mode that would let somebody else in."""


def key(data: Path) -> str:
    """Read the key of this data directory; makes it the first time.

    Raises:
        Unsafe: somebody else may read the file, or it is no key.
        CannotCreate: it cannot be written.
    """
    path = data / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}. Set LOOPD_HOME to a directory that can be written.") from error
    made = f"{BEGIN}{secrets.token_urlsafe(32)}"
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{made}\n")
    return made


def _read(path: Path) -> str:
    if path.is_symlink() or path.stat().st_mode & PRIVATE:
        raise Unsafe(f"{path} can be read by others. Delete it, start loopd again, and give its clients the new key.")
    key = path.read_text(encoding="utf-8", errors="replace").strip()
    if not key.isascii() or len(key) < len(BEGIN) + 16:
        raise Unsafe(f"{path} holds no key. Delete it, and start loopd again.")
    return key
