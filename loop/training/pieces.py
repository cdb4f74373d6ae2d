"""Computations that are described a piece at a time, so that several can be queued in turn (`backprop`)."""

from collections.abc import Generator
from typing import TypeVar

import mlx.core as mx

T = TypeVar("T")
Pieces = Generator[tuple[mx.array, ...], None, T]
"""Yields what it has described so far, some ten operations at a time, and returns its result."""


def whole(pieces: Pieces[T]) -> T:
    """Describe all of a computation."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: T = end.value
            return result
