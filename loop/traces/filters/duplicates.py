"""Duplicates: was nearly the same conversation kept already?

Texts are compared by MinHash over word triples (Broder 1997, datasketch). Of conversations that are as alike as
`likeness` the first by id is kept; the others teach nothing new and weigh what they say more.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from datasketch import MinHash, MinHashLSH
from pydantic import Field, PrivateAttr

from loop.canonical import canonical
from loop.traces.filtering import WHOLE, Filter, StudiedTrace, TraceFault
from loop.types import Trajectory

__all__ = ["Duplicates"]

SHINGLE = 3
PERMUTATIONS = 64


class Duplicates(Filter):
    """Judges likeness. Needs to have seen all traces."""

    studies: ClassVar[bool] = True
    likeness: float = Field(default=0.9, gt=0, le=1)
    """Jaccard's likeness of the sets of word triples."""
    _like: dict[str, str] = PrivateAttr(default_factory=dict)

    def studied(self, seen: Iterable[StudiedTrace]) -> Self:
        """Index all traces, in order."""
        index = MinHashLSH(self.likeness, PERMUTATIONS)
        like: dict[str, str] = {}
        for other in seen:
            sketch = _sketch(other.trajectory)
            alike = index.query(sketch)
            if alike:
                like[_key(other.trajectory)] = str(min(alike))
            else:
                index.insert(other.id, sketch)
        done = self.model_copy()
        done._like = like  # noqa: SLF001 - its own
        return done

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Name the trace that says the same."""
        if other := self._like.get(_key(trajectory)):
            yield TraceFault(WHOLE, "double", f"trace {other[:16]} says nearly the same")


def _key(trajectory: Trajectory) -> str:
    return canonical([[m.role, m.content, [[c.name, dict(c.arguments)] for c in m.calls]] for m in trajectory.messages])


def _sketch(trajectory: Trajectory) -> MinHash:
    words = _key(trajectory).split()
    shingles = [" ".join(words[start : start + SHINGLE]).encode() for start in range(max(1, len(words) - SHINGLE + 1))]
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch(shingles)
    return sketch
