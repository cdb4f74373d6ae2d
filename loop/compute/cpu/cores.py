"""Streams for MLX, and threads of its matrix library beside them.

MLX's CPU backend runs every operation but a matrix product on one core. Computations on several streams keep as many
cores busy through all of it; the matrix library is then told to share the cores among them. On Metal there is one
stream: a GPU is busy with one, and several have brought Macs down.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, Final

import mlx.core as mx

AVX512: Final = (b"SkylakeX", b"Cooperlake", b"SapphireRapids")
"""OpenBLAS's names for its kernels with AVX-512."""
MOST: Final = 4
"""Streams, however many cores there are."""


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def streams(count: int | None = None) -> list[mx.Stream]:
    """Open streams on the default device: as many as wanted, or one per core and at most four; on Metal always one."""
    device = mx.default_device()
    wanted = (count or min(cores(), MOST)) if device.type == mx.DeviceType.cpu else 1
    return [mx.new_stream(device) for _ in range(wanted)] if wanted > 1 else [mx.default_stream(device)]


def on(stream: mx.Stream | None) -> AbstractContextManager[object]:
    """Describe what follows for a stream; None leaves it where it is."""
    return mx.stream(stream) if stream else nullcontext()


def blas_threads() -> int | None:
    """Tell how many threads OpenBLAS takes; None where it is not loaded."""
    getter = _blas("get")
    return None if getter is None else int(getter())


def set_blas_threads(count: int) -> None:
    """Tell OpenBLAS how many threads to take; nothing happens where it is not loaded."""
    setter = _blas("set")
    if setter is not None:
        setter(count)


@cache
def packs_little() -> bool:
    """Whether OpenBLAS multiplies small matrices as they lie: with its kernels for AVX-512 alone."""
    name = getattr(ctypes.CDLL(None), "openblas_get_corename", None)
    if name is None:
        return False
    name.restype = ctypes.c_char_p
    return name() in AVX512


@contextmanager
def shared_among(lanes: Sequence[mx.Stream]) -> Iterator[None]:
    """Give each stream its share of the cores for matrix products, as long as the block lasts."""
    before = blas_threads()
    if before is None or len(lanes) == 1:
        yield
        return
    set_blas_threads(max(1, cores() // len(lanes)))
    try:
        yield
    finally:
        set_blas_threads(before)


def _blas(verb: str) -> Any:  # noqa: ANN401 - a function of C
    return getattr(ctypes.CDLL(None), f"openblas_{verb}_num_threads", None)
