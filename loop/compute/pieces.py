"""Computations that are described a piece at a time, so that several can be queued in turn, side by side."""

from collections.abc import Generator, Sequence
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


def abreast(lanes: Sequence[tuple[Pieces[T], mx.Stream]]) -> list[T]:
    """Start the pieces of all lanes in turn; gives what each lane returns.

    MLX lets ten operations wait, over all streams: while a longer piece of one lane is being queued, the others run out
    of work.
    """
    returned: dict[int, T] = {}
    while len(returned) < len(lanes):
        for index, (pieces, stream) in enumerate(lanes):
            if index in returned:
                continue
            with mx.stream(stream):
                try:
                    mx.async_eval(*next(pieces))  # type: ignore[no-untyped-call]
                except StopIteration as end:
                    returned[index] = end.value
    return [returned[index] for index in range(len(lanes))]
