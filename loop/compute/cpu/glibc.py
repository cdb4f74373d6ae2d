"""Keep freed memory with the process, on Linux.

MLX's CPU backend asks the C library for every array and gives it back. glibc returns large blocks to the kernel at
once, so that each array of a megabyte or more is page-faulted in anew: in a virtual machine an addition over 100 MB
took 190 ms that way and 25 ms with the memory kept. On a Mac MLX keeps its own buffers (`mx.set_cache_limit`).
"""

import ctypes
import sys
from typing import Any, Final

ARENA_MAX: Final = -8
TRIM_THRESHOLD: Final = -1
TOP_PAD: Final = -2
MMAP_MAX: Final = -4
"""glibc's names for what `mallopt` sets (malloc.h)."""
NEVER: Final = 2**31 - 1
PAD: Final = 64 * 2**20


def keep_freed() -> bool:
    """Tell the C library to keep what is freed; whether it listened. Call it before the first large array."""
    mallopt = _mallopt()
    if mallopt is None:
        return False
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, NEVER), mallopt(TOP_PAD, PAD)])


def one_arena() -> None:
    """Let all streams' threads share the C library's first heap, the only one that `keep_freed` keeps."""
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(ARENA_MAX, 1)


def _mallopt() -> Any:  # noqa: ANN401 - a function of C
    return getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
