"""Publish what training made, whole or not at all, and let nothing else near a model.

A published adapter is an immutable directory named by the sha256 of its MANIFEST.json, which holds the sha256 of every
file and the name, type and shape of every tensor. It is copied beside its place, synced, and renamed, so a kill at any
point leaves either the whole directory or a leftover that `loopd gc` removes. `verify` reads it with
safetensors' own reader before MLX does: MLX trusts a header whose sizes overflow, and reads out of bounds.
"""

import hashlib
import io
import json
import os
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open

from loop.canonical import NotJson, canonical, parse
from loop.errors import NotFound, Unsafe
from loop.runtime.durable import DRAFT, draft_in, move_into_place
from loop.types import Record

MANIFEST: Final = "MANIFEST.json"
WEIGHTS: Final = "adapters.safetensors"
SETTINGS: Final = "adapter_config.json"
ROWS: Final = "rows.txt"
"""Beside an adapter: the ids of the rows that it was trained on, in order."""
ALLOWED: Final = frozenset({".safetensors", ".json", ".md", ".txt"})
"""What a published directory may hold. Nothing that anybody could run or unpickle."""
UNFINISHED: Final = ".publishing-"
HEX: Final = frozenset("0123456789abcdef")
DIGEST_LENGTH: Final = 64
EXPONENTS: Final = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0 << 48),
}
"""Of each kind of number in a weights file: integers of its size, and where its exponent is."""
PIECE: Final = 2**22
"""Numbers that are looked at in one go."""


class FileEntry(Record):
    """One file of a published directory."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Tensor(Record):
    """One tensor, as the file's header spells it."""

    dtype: str
    shape: tuple[int, ...]


class Manifest(Record):
    """What a published directory holds. Its own sha256 is the directory's name."""

    format: Literal[1] = 1
    base: str
    """Digest of the base model that the adapter fits."""
    files: Mapping[str, FileEntry]
    tensors: Mapping[str, Mapping[str, Tensor]]
    """Per weights file: every tensor by name."""


class Published(Record):
    """A published adapter."""

    id: str
    """Sha256 of its manifest: `Policy.adapter`."""
    path: Path


def publish(directory: Path, models: Path, *, base: str, evidence: Mapping[str, str] | None = None) -> Published:
    """Copy a finished adapter into the models directory; doing it twice is doing it once.

    Args:
        directory: what the trainer wrote: weights and settings in mlx-lm's format.
        models: where model directories lie.
        base: digest of the base model that it was trained on.
        evidence: further documents by file name, such as the training configuration and the data card.

    Raises:
        Unsafe: something in the directory is no weights file, document or settings file, or a weights file is broken.
        CannotCreate: the models directory cannot be written.
    """
    with draft_in(models, UNFINISHED) as building:
        _fill(building, directory, evidence or {})
        manifest = inspect(building, base)
        text = canonical(manifest.model_dump(mode="json")).encode()
        (building / MANIFEST).write_bytes(text)
        name = hashlib.sha256(text).hexdigest()
        target = models / name
        if not target.exists():
            _rename(building, target)
    verify(target, base=base)
    return Published(id=name, path=target)


def inspect(directory: Path, base: str) -> Manifest:
    """Describe a directory as its manifest would.

    Raises:
        Unsafe: it holds what a published directory may not hold.
    """
    paths = _paths(directory)
    if WEIGHTS not in paths or SETTINGS not in paths:
        raise Unsafe(f"{directory} is not an adapter: it needs {WEIGHTS} and {SETTINGS}.")
    _json(paths[SETTINGS])
    return Manifest(
        base=base,
        files={name: _entry(path) for name, path in sorted(paths.items())},
        tensors={name: _tensors(path) for name, path in sorted(paths.items()) if path.suffix == ".safetensors"},
    )


def verify(path: Path, base: str | None = None) -> Manifest:
    """Make sure that a published directory is what its name says; nothing may load it before.

    Raises:
        NotFound: there is no such directory.
        Unsafe: it was changed, does not fit `base`, or holds what no published directory may hold.
    """
    if not path.is_dir() or path.is_symlink():
        raise NotFound(f"There is no model directory {path}. `loopd gc` may have deleted it; see: loopd model list")
    text = _read(path / MANIFEST)
    if hashlib.sha256(text).hexdigest() != path.name:
        raise Unsafe(f"{path}: the manifest was changed. Take another model: `loopd model list`.")
    manifest = _parse(text, path)
    if base is not None and manifest.base != base:
        raise Unsafe(
            f"The adapter {path.name[:12]} was made for base model {manifest.base[:12]}, not for {base[:12]}. "
            "Name that base as student.source again, or take another policy: `loopd model list`."
        )
    if inspect(path, manifest.base) != manifest:
        raise Unsafe(f"{path}: its files are not those of its manifest. Take another model: `loopd model list`.")
    return manifest


def garbage(models: Path, known: Collection[str], older_than: float) -> list[Path]:
    """List what kills left behind: unfinished copies, and published directories that no policy names.

    Args:
        models: where model directories lie; what does not look like ours is left alone.
        known: ids of the adapters that the store names.
        older_than: seconds; younger ones may be about to get their row.
    """
    directories = []
    for path in sorted(models.iterdir()) if models.is_dir() else ():
        ours = DRAFT.fullmatch(path.name) or (_is_digest(path.name) and path.name not in known)
        if ours and not path.is_symlink() and path.is_dir() and time.time() - path.stat().st_mtime >= older_than:
            directories.append(path)
    return directories


def _is_digest(name: str) -> bool:
    return len(name) == DIGEST_LENGTH and set(name) <= HEX


def _fill(building: Path, directory: Path, evidence: Mapping[str, str]) -> None:
    for name, path in _paths(directory).items():
        _write(building / name, _read(path))
    for name, text in evidence.items():
        if Path(name).name != name or name.startswith("."):
            raise Unsafe(f"'{name}' is not a plain file name.")
        _write(building / name, text.encode())


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _paths(directory: Path) -> dict[str, Path]:
    """List the files beside the manifest.

    Raises:
        Unsafe: one is a link, a directory, a device, or of a kind that a model directory may not hold.
    """
    paths = {}
    for path in sorted(directory.iterdir()):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Unsafe(f"{path} is not a plain file.")
        if path.suffix not in ALLOWED or path.name.startswith("."):
            raise Unsafe(f"{path} has no place in a model directory: only {', '.join(sorted(ALLOWED))} do.")
        if path.name != MANIFEST:
            paths[path.name] = path
    return paths


def _entry(path: Path) -> FileEntry:
    with _open(path) as file:
        return FileEntry(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(str(path), framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in sorted(file.keys())}
            tensors = {name: Tensor(dtype=one.get_dtype(), shape=one.get_shape()) for name, one in slices.items()}
        _refuse_infinite(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise Unsafe(f"{path} is not a valid weights file: {error}") from error
    return tensors


def _refuse_infinite(path: Path) -> None:
    """Look for numbers that are none in a weights file whose header is known to be sound.

    The bits are looked at, because numpy has no bfloat16: a number is infinite or NaN if its whole exponent is ones.

    Raises:
        Unsafe: there is one, in the tensor that the message names.
    """
    with _open(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    for name, tensor in sorted(header.items()):
        if name == "__metadata__" or tensor["dtype"] not in EXPONENTS:
            continue
        kind, exponent = EXPONENTS[tensor["dtype"]]
        start, end = tensor["data_offsets"]
        bits = (
            np.memmap(path, kind, "r", 8 + length + start, ((end - start) // np.dtype(kind).itemsize,))
            if end > start
            else ()
        )
        if any(bool(((part & exponent) == exponent).any()) for part in _pieces(bits)):
            raise Unsafe(
                f"{path}: {name} holds NaN or infinity. The training that produced it went wrong; publish another."
            )


def _pieces(bits: Any) -> Iterator[Any]:  # noqa: ANN401 - a numpy array
    for start in range(0, len(bits), PIECE):
        yield bits[start : start + PIECE]


@contextmanager
def _open(path: Path) -> Iterator[io.BufferedReader]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise Unsafe(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        yield file


def _read(path: Path) -> bytes:
    with _open(path) as file:
        return file.read()


def _json(path: Path) -> None:
    try:
        parse(_read(path))
    except NotJson as error:
        raise Unsafe(f"{path} is not JSON: {error}") from error


def _parse(text: bytes, path: Path) -> Manifest:
    try:
        return Manifest.model_validate(parse(text))
    except (NotJson, ValidationError) as error:
        raise Unsafe(f"{path}: the manifest cannot be read: {str(error)[:200]}") from error


def _rename(building: Path, target: Path) -> None:
    building.chmod(0o700)
    try:
        move_into_place(building, target)
    except OSError:
        if not target.exists():  # else another process published the same bytes first
            raise
