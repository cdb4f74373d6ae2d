"""Prefixes on disk: what one server computed, the next one reads, as long as that is faster.

A file is named `<key>-<sha256>.safetensors`. The key says for which weights, template, number type and tokens its
keys and values hold; the sha256 is that of its bytes, checked with every shape before a value is used. Files are
written by a thread of their own beside their place and renamed, so none is ever half there, and the longest unused
go when there are too many, or the disk has no room to spare.
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Final

import mlx.core as mx
import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from loop.canonical import digest
from loop.compute.layout import Saved
from loop.runtime import disk
from loop.types import Record

log = structlog.get_logger()
FORMAT: Final = 1
NAME: Final = re.compile(r"([0-9a-f]{40})-([0-9a-f]{64})\.safetensors")
HALF: Final = re.compile(r"\.[0-9a-f]{40}-\d+")
"""A file that a killed server was writing."""
HEADER: Final = 2**20
"""Bytes of a file beside its numbers, at most."""
WAITING: Final = 2**30
"""Bytes that wait to be written, at most: they are memory beside what the engine counts."""
LEAST: Final = 64
"""Tokens below which nothing is stored: opening a file costs more."""
RATE: Final = 400e6
"""Bytes a second that reading and hashing are counted with before the first file was read."""
SPAN: Final = 2.0
"""A prefix is stored where computing takes so many times longer than reading."""


class PrefixDirectory(Record):
    """Where prefixes lie, and whose they are."""

    directory: Path
    """Made if it is not there."""
    budget: int
    """Bytes of all files, of every policy."""
    policy: str
    """Names the weights: `Policy.id`."""
    template: str
    """Names how messages become tokens."""


class StoredPrefixes:
    """The prefixes of one policy on disk, and of the adapters beside it. Use it from one thread.

    Args:
        place: where they lie.
        shape: layers, key/value heads and head size of the model.
        dtype: of keys and values.
    """

    def __init__(self, place: PrefixDirectory, shape: tuple[int, int, int], dtype: mx.Dtype) -> None:
        self.directory, self.budget, self.shape, self.dtype = place.directory, place.budget, shape, dtype
        self.loaded = 0
        """Prefixes that were read."""
        code: list[JsonValue] = [FORMAT, version("mlx"), version("mlx-lm")]
        self._about: list[JsonValue] = [*code, place.policy, place.template, str(dtype), list(shape)]
        self._rate = RATE
        self._waiting: list[tuple[Future[None], int]] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="prefixes")
        self._tidy()

    def load(self, tokens: Sequence[int], adapter: str = "") -> Saved | None:
        """Read a prefix's keys and values; None where there is no sound file, or computing them would be faster."""
        for file in self._files(f"{self._key(tokens, adapter)}-*"):
            began = time.perf_counter()
            try:
                seconds = self._verified(file, len(tokens))
                if self._bytes(len(tokens)) / self._rate > seconds:
                    return None
                saved = self._read(file)
            except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
                self._remove(file, f"unsound: {error}")
                continue
            self._timed(file, self._bytes(len(tokens)), seconds, time.perf_counter() - began)
            self.loaded += 1
            return saved
        return None

    def store(self, tokens: Sequence[int], saved: Saved, seconds: float, adapter: str = "") -> None:
        """Keep a prefix that took so many seconds to compute, if reading it will be faster. Returns at once."""
        size = self._bytes(len(tokens))
        if len(tokens) < LEAST or size > self.budget or seconds < SPAN * size / self._rate:
            return
        self._waiting = [write for write in self._waiting if not write[0].done()]
        if self._waiting and size + sum(waiting for _, waiting in self._waiting) > WAITING:
            return
        arrays = {f"k.{layer}": _raw(keys) for layer, (keys, _) in enumerate(saved)}
        arrays |= {f"v.{layer}": _raw(values) for layer, (_, values) in enumerate(saved)}
        writing = self._writer.submit(self._write, self._key(tokens, adapter), arrays, size, seconds)
        self._waiting.append((writing, size))

    def flush(self) -> None:
        """Wait until everything is written."""
        self._writer.submit(lambda: None).result()

    def _bytes(self, length: int) -> int:
        layers, heads, size = self.shape
        return 2 * layers * heads * length * size * self.dtype.size

    def _key(self, tokens: Sequence[int], adapter: str) -> str:
        return digest([*self._about, *([adapter] if adapter else []), list(tokens)])[:40]

    def _files(self, pattern: str = "*") -> list[Path]:
        files = [file for file in self.directory.glob(f"{pattern}.safetensors") if NAME.fullmatch(file.name)]
        return sorted(files, key=_age)

    def _tidy(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in self.directory.iterdir():
                if HALF.fullmatch(file.name):
                    self._remove(file, "half written")
            self._make_room(0)
        except OSError as error:
            log.warning("prefixes_unusable", directory=str(self.directory), reason=str(error))

    def _verified(self, file: Path, length: int) -> float:
        """Check size, bytes, and every shape and type; tells how many seconds computing took."""
        if not file.is_file() or file.stat().st_size > self._bytes(length) + HEADER:
            raise ValueError("its size is not that of the prefix")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.stem.partition("-")[2]:
                raise ValueError("its bytes are not those that were written")
        layers, heads, size = self.shape
        like = _TYPES[self.dtype.size], [heads, length, size]
        with safe_open(str(file), framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - no dictionary
            shapes = {name: (item.get_dtype(), item.get_shape()) for name, item in slices.items()}
            about: Mapping[str, str] = tensors.metadata() or {}
        if shapes != {f"{kind}.{layer}": like for layer in range(layers) for kind in "kv"}:
            raise ValueError("its shapes or number type are not the model's")
        return float(about["seconds"])

    def _read(self, file: Path) -> Saved:
        tensors = mx.load(str(file))
        assert isinstance(tensors, dict)
        layers = range(self.shape[0])
        saved = tuple((tensors[f"k.{n}"].view(self.dtype), tensors[f"v.{n}"].view(self.dtype)) for n in layers)
        mx.eval(saved)
        return saved

    def _timed(self, file: Path, size: int, computing: float, reading: float) -> None:
        self._rate = size / reading
        if reading > computing:
            self._remove(file, f"reading took {reading:.2f} s, computing {computing:.2f} s")
            return
        with contextlib.suppress(OSError):  # it may have had to make room meanwhile
            os.utime(file)
        log.info("prefix_loaded", file=file.name, seconds=round(reading, 3), saved=round(computing - reading, 3))

    def _write(self, key: str, arrays: Mapping[str, NDArray[np.generic]], size: int, seconds: float) -> None:
        building = self.directory / f".{key}-{os.getpid()}"
        try:
            for file in self._files(f"{key}-*"):
                file.unlink()
            self._make_room(size)
            if shutil.disk_usage(self.directory).free < size + 2 * disk.NEEDED:
                return  # the store needs it more
            save_file(dict(arrays), building, {"seconds": f"{seconds:.6f}"})
            with building.open("rb") as stream:
                name = f"{key}-{hashlib.file_digest(stream, 'sha256').hexdigest()}.safetensors"
                os.fsync(stream.fileno())
            building.rename(self.directory / name)
        except (OSError, SafetensorError) as error:
            building.unlink(missing_ok=True)
            log.warning("prefix_not_stored", reason=str(error))

    def _make_room(self, size: int) -> None:
        files = self._files()
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total + size <= self.budget:
                return
            total -= file.stat().st_size
            self._remove(file, "the longest unused")

    def _remove(self, file: Path, reason: str) -> None:
        log.warning("prefix_removed", file=file.name, reason=reason)
        with contextlib.suppress(OSError):  # read-only, or no file: it is passed over again next time
            file.unlink(missing_ok=True)


_TYPES: Final = {2: "U16", 4: "F32"}
"""How numbers of so many bytes are stored, in the words of safetensors."""


def _raw(array: mx.array) -> NDArray[np.generic]:
    """Look at an array without a copy; numpy knows no bfloat16."""
    return np.asarray(array.view(mx.uint16) if array.dtype.size == np.dtype(np.uint16).itemsize else array)


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
