"""Prefixes on disk: what one server computed, the next one reads, as long as that is faster.

A file is named `<key>-<sha256>.safetensors`. The key says for which weights, template, number type and tokens its
keys and values hold; the sha256 is that of its bytes, checked with every shape before a value is used. Files are
written by a thread of their own beside their place and renamed, so none is ever half there, and the longest unused
go when there are too many.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from loop.student.rack import Saved
from loop.types import Record

log = structlog.get_logger()
FORMAT: Final = 1
NAME: Final = re.compile(r"([0-9a-f]{40})-([0-9a-f]{64})\.safetensors")
LEAST: Final = 64
"""Tokens below which nothing is stored: opening a file costs more."""
RATE: Final = 400e6
"""Bytes a second that reading and hashing are counted with before the first file was read."""
SPAN: Final = 2.0
"""A prefix is stored where computing takes so many times longer than reading."""


class Place(Record):
    """Where prefixes lie, and whose they are."""

    directory: Path
    """Made if it is not there. Whatever else lies in it is removed."""
    budget: int
    """Bytes of all files, of every policy."""
    policy: str
    """Names the weights: `Policy.id`."""
    template: str
    """Names how messages become tokens."""


class StoredPrefixes:
    """The prefixes of one policy on disk. Use it from one thread.

    Args:
        place: where they lie.
        shape: layers, key/value heads and head size of the model.
        dtype: of keys and values.
    """

    def __init__(self, place: Place, shape: tuple[int, int, int], dtype: mx.Dtype) -> None:
        self.directory, self.budget, self.shape, self.dtype = place.directory, place.budget, shape, dtype
        self.loaded = 0
        """Prefixes that were read."""
        self._about: list[JsonValue] = [FORMAT, place.policy, place.template, str(dtype), list(shape), version("mlx")]
        self._rate = RATE
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="prefixes")
        self._tidy()

    def load(self, tokens: Sequence[int]) -> Saved | None:
        """Read a prefix's keys and values; None where there is no sound file, or computing them would be faster."""
        for file in self._files(f"{self._key(tokens)}-*"):
            began = time.perf_counter()
            try:
                seconds = self._verified(file, len(tokens))
                if file.stat().st_size / self._rate > seconds:
                    return None
                saved = self._read(file)
            except (OSError, ValueError, SafetensorError, RuntimeError) as error:
                self._remove(file, f"unsound: {error}")
                continue
            self._timed(file, seconds, time.perf_counter() - began)
            self.loaded += 1
            return saved
        return None

    def store(self, tokens: Sequence[int], saved: Saved, seconds: float) -> None:
        """Keep a prefix that took so many seconds to compute, if reading it will be faster. Returns at once."""
        size = sum(keys.nbytes + values.nbytes for keys, values in saved)
        if len(tokens) < LEAST or size > self.budget or seconds < SPAN * size / self._rate:
            return
        arrays = {f"k.{layer}": _raw(keys) for layer, (keys, _) in enumerate(saved)}
        arrays |= {f"v.{layer}": _raw(values) for layer, (_, values) in enumerate(saved)}
        self._writer.submit(self._write, self._key(tokens), arrays, size, seconds)

    def flush(self) -> None:
        """Wait until everything is written."""
        self._writer.submit(lambda: None).result()

    def _key(self, tokens: Sequence[int]) -> str:
        return digest([*self._about, list(tokens)])[:40]

    def _files(self, pattern: str = "*") -> list[Path]:
        found = [file for file in self.directory.glob(f"{pattern}.safetensors") if NAME.fullmatch(file.name)]
        return sorted(found, key=_age)

    def _tidy(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in self.directory.iterdir():
                if file.is_file() and not NAME.fullmatch(file.name):
                    self._remove(file, "foreign")
        except OSError as error:
            log.warning("prefixes_unusable", directory=str(self.directory), reason=str(error))
        self._make_room(0)

    def _verified(self, file: Path, length: int) -> float:
        """Check the bytes and every shape; tells how many seconds computing took."""
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.stem.partition("-")[2]:
                raise ValueError("its bytes are not those that were written")
        layers, heads, size = self.shape
        expected = {f"{kind}.{layer}": [heads, length, size] for layer in range(layers) for kind in "kv"}
        with safe_open(str(file), framework="numpy") as tensors:
            found = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118 - no dictionary
            about: Mapping[str, str] = tensors.metadata() or {}
        if found != expected:
            raise ValueError("its shapes are not the model's")
        return float(about["seconds"])

    def _read(self, file: Path) -> Saved:
        tensors = mx.load(str(file))
        assert isinstance(tensors, dict)
        layers = range(self.shape[0])
        saved = tuple((tensors[f"k.{n}"].view(self.dtype), tensors[f"v.{n}"].view(self.dtype)) for n in layers)
        mx.eval(saved)
        return saved

    def _timed(self, file: Path, computing: float, reading: float) -> None:
        self._rate = file.stat().st_size / reading
        if reading > computing:
            self._remove(file, f"reading took {reading:.2f} s, computing {computing:.2f} s")
            return
        os.utime(file)
        log.info("prefix_loaded", file=file.name, seconds=round(reading, 3), saved=round(computing - reading, 3))

    def _write(self, key: str, arrays: Mapping[str, NDArray[np.generic]], size: int, seconds: float) -> None:
        building = self.directory / f".{key}-{os.getpid()}"
        try:
            for file in self._files(f"{key}-*"):
                file.unlink()
            self._make_room(size)
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
        file.unlink(missing_ok=True)


def _raw(array: mx.array) -> NDArray[np.generic]:
    """Look at an array without a copy; numpy knows no bfloat16."""
    return np.asarray(array.view(mx.uint16) if array.dtype.size == np.dtype(np.uint16).itemsize else array)


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
