"""The loop's window: what needs the GPU waits for it, what does not goes on."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from loop.parts import Loop
from loop.types import Play

EVERY: Final = 1.0
"""Seconds between two looks."""
WAITS: Final = "waits for its window"


def wait(loop: Loop) -> None:
    """Wait until the loop may use the GPU; the end of the wait may be a request to stop."""
    if not _closed(loop):
        return
    doing = loop.board.now.doing
    loop.board.step(WAITS, total=0)
    with loop.pause():
        while _closed(loop):
            with loop.stop.waiting():
                time.sleep(EVERY)
    loop.board.update(doing=doing)


def first(loop: Loop, plays: Sequence[Play]) -> tuple[Play, bool]:
    """Say which play comes first: the student's, or teachers' while those have to wait; and whether it is so."""
    mine = next((play for play in plays if play.policy), None)
    taught = next((play for play in plays if not play.policy), None)
    if mine is None:
        return plays[0], False
    if taught is not None and _closed(loop):
        return taught, True
    wait(loop)
    return mine, False


def while_open(loop: Loop, plays: Iterable[Play]) -> Iterator[Play]:
    """Hand the student's plays on while the window is open; those under way are played to their end."""
    for play in plays:
        if _closed(loop):
            return
        yield play


def while_closed(loop: Loop, plays: Iterable[Play]) -> Iterator[Play]:
    """Hand teachers' plays on for as long as the student's have to wait: they are first when the window opens."""
    for play in plays:
        if not _closed(loop):
            return
        yield play


def _closed(loop: Loop) -> bool:
    return not loop.window.now.open
