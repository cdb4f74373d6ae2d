"""Model directories: published once, whole or not at all, and named by their content."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loop.canonical import NotJson, digest, parse
from loop.errors import CannotCreate, ConfigError
from loop.runtime.durable import draft_in, move_into_place, sha256

MANIFEST: Final = "MANIFEST.json"


def publish(target: Path, fill: Callable[[Path], None], *, source: str) -> Path:
    """Build a model directory out of sight and rename it into place, manifest last.

    Raises:
        CannotCreate: the directory cannot be written.
    """
    with draft_in(target.parent, f".{target.name}-") as building:
        fill(building)
        manifest = {"source": source, "digest": directory_digest(building), "files": _digests(building)}
        (building / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _rename(building, target)
    return target


def directory_digest(path: Path) -> str:
    """Name a model directory by its content: sha256 over every file's name and sha256, the manifest left out.

    Raises:
        ConfigError: there is no such directory.
    """
    if not path.is_dir():
        raise ConfigError(f"There is no model directory {path}.")
    return digest(dict(_digests(path)))


def known_digest(path: Path) -> str | None:
    """Give the digest that a directory's manifest tells, without reading its files; None where there is none."""
    try:
        manifest = parse((path / MANIFEST).read_bytes())
    except (OSError, NotJson):
        return None
    digest = manifest.get("digest") if isinstance(manifest, dict) else None
    return digest if isinstance(digest, str) else None


def _digests(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST)
    return {file.relative_to(path).as_posix(): sha256(file) for file in files}


def _rename(building: Path, target: Path) -> None:
    building.chmod(0o755)
    if target.exists() and not (target / MANIFEST).is_file():
        raise CannotCreate(f"{target} exists and is not complete. Move it away and start again.")
    try:
        move_into_place(building, target)
    except OSError as error:
        if (target / MANIFEST).is_file():
            return  # another process published the same model first
        raise CannotCreate(f"{target} cannot be written: {error.strerror}") from error
