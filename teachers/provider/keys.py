"""Reads a key from where the operator keeps it: a file, one that a variable names, or a variable. Never stored."""

import os
from pathlib import Path

from loop.errors import FailureKind, ProviderError
from teachers.base.finding import ProbeFinding

LONGEST = 4096


def read_key(file_variable: str | None, variable: str | None, file: str | None = None) -> str:
    """Read a key; the file that the settings name goes first, then the one that the variable names.

    Raises:
        ProviderError: AUTH; the message says what to set.
    """
    if file:
        return _from_file(Path(file).expanduser(), "key_file")
    if file_variable and (name := os.environ.get(file_variable)):
        return _from_file(Path(name).expanduser(), file_variable)
    if variable and (key := os.environ.get(variable, "").strip()):
        return key
    ways = " or ".join(
        way for way in (file_variable and f"{file_variable} to a file with the key", variable and f"{variable}") if way
    )
    raise ProviderError(FailureKind.AUTH, f"There is no key. Set {ways}.")


def _from_file(path: Path, variable: str) -> str:
    try:
        key = path.read_text()[:LONGEST].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderError(
            FailureKind.AUTH, f"{variable} names {path}, which cannot be read: {type(error).__name__}."
        ) from error
    if not key or not key.isascii() or any(letter.isspace() for letter in key):
        raise ProviderError(FailureKind.AUTH, f"{variable} names {path}, which does not hold a key on one line.")
    return key


def readable(file_variable: str | None, variable: str | None, file: str | None = None) -> tuple[str, ...]:
    """Read a key that may be missing."""
    try:
        return (read_key(file_variable, variable, file),)
    except ProviderError:
        return ()


def examined(file_variable: str | None, variable: str | None, file: str | None = None) -> tuple[ProbeFinding, ...]:
    """Check that there is a key and that nobody else of this machine can read its file."""
    try:
        read_key(file_variable, variable, file)
    except ProviderError as error:
        return (ProbeFinding(name="key", ok=False, detail=str(error)),)
    finding = ProbeFinding(name="key", ok=True, detail="found")
    if readable_by_others(file_variable, file):
        detail = (
            f"the file that {'key_file' if file else file_variable} names can be read by others; type chmod 600 on it"
        )
        return finding, ProbeFinding(name="key file", ok=False, detail=detail, weight="should")
    return (finding,)


def readable_by_others(file_variable: str | None, file: str | None = None) -> bool:
    """Say whether the key's file is open to other users of this machine."""
    name = file or os.environ.get(file_variable or "")
    path = Path(name).expanduser() if name else None
    return path is not None and path.exists() and bool(path.stat().st_mode & 0o077)
