"""A directory that is there whole or not at all: built beside its place, synced, renamed. Nobody else's is touched."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loop.canonical import NotJson, parse
from loop.errors import CannotCreate
from loop.runtime.durable import draft_in, move_into_place, sha256, sync


def ours(directory: Path, marker: str, schema: str) -> bool:
    """Whether a directory was made by an earlier call: its marker says so."""
    try:
        document = parse((directory / marker).read_bytes())
    except (OSError, NotJson):
        return False
    return isinstance(document, dict) and document.get("schema") == schema


def check(out: Path, marker: str, schema: str) -> None:
    """Make sure that a place is free, or holds what an earlier call made.

    Raises:
        CannotCreate: something else lies there.
    """
    if (out.exists() or out.is_symlink()) and not (
        out.is_dir() and not out.is_symlink() and (ours(out, marker, schema) or not any(out.iterdir()))
    ):
        raise CannotCreate(f"{out} exists and was not made by this command. Name another directory, or move it away.")


@contextmanager
def replacing(out: Path, marker: str, schema: str) -> Iterator[Path]:
    """Give a directory to fill, which takes the place of `out` when the block ends well.

    A kill between the two renames leaves the old directory beside, under `.NAME.before`.

    Raises:
        CannotCreate: `out` is somebody else's, or cannot be written.
    """
    out = out.absolute()
    check(out, marker, schema)
    with draft_in(out.parent, f".{out.name}-") as building:
        yield building
        building.chmod(0o755)
        _exchange(building, out)


def fill(directory: Path, files: Mapping[str, str]) -> None:
    """Write texts by path.

    Raises:
        OSError: one cannot be written.
    """
    for name, text in files.items():
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _exchange(building: Path, out: Path) -> None:
    before = out.with_name(f".{out.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.rename(before)
    try:
        move_into_place(building, out)
    except OSError:
        if before.exists():
            before.rename(out)
            sync(out.parent)
        raise
    shutil.rmtree(before, ignore_errors=True)


def seal(directory: Path) -> None:
    """List every file with its sha256, as `sha256sum --check SHA256SUMS` reads it."""
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    lines = [f"{sha256(file)}  {file.relative_to(directory).as_posix()}\n" for file in files]
    (directory / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
