"""The breadth gate: not worse over all backends, and on no single one much worse."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from loop.gates.judging import Judging
from loop.gates.pairing import Ints, by_backend
from loop.types import Entry, Id

__all__ = ["Breadth"]


class Breadth(Judging):
    """Holds a candidate that is not worse overall by 3 points and on no single backend by 10.

    Every backend must clear its margin by itself (an intersection-union test: no correction is needed, each is tested
    at the full level). A task of two backends counts for both.
    """

    name: Id = "breadth"
    suite: Id = "quick-breadth"
    backend_margin: float = Field(default=0.10, gt=0, le=1)
    """The candidate may be worse by less than this on any single backend."""

    def _groups(self, entries: Sequence[Entry]) -> Mapping[str, Ints]:
        return by_backend(entries)

    def _margin(self, group: str) -> float:
        del group
        return self.backend_margin
