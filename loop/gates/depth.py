"""The depth gate: not worse at what the suite is about, by margin."""

from loop.gates.judging import Judging
from loop.types import Id

__all__ = ["Depth"]


class Depth(Judging):
    """Holds a candidate that is not worse, over the whole suite, by the margin (3 points)."""

    name: Id = "depth"
    suite: Id = "quick-depth"
