"""The pages of every layer's shelf, as one thing: who has which of them, and who has them together."""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

import mlx.core as mx

from loop.compute.layout import PAGE, pages_of
from loop.student.engine.attention import Shelf


class Rack:
    """All layers' shelves. A tail has a list of pages; two that begin alike have the pages of that in common."""

    def __init__(self, shelves: Sequence[Shelf], token_bytes: int) -> None:
        self.shelves, self.token_bytes = shelves, token_bytes
        self.count = 0
        """Pages that there are."""
        self.most = 0
        """Pages that there should be at most."""
        self._users: dict[int, int] = {}
        """Tails that have a page, of those that any has."""
        self._free: list[int] = []
        """A heap: pages in use stay near each other."""

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self.bytes_of(self.count)

    def bytes_of(self, pages: int) -> int:
        """Bytes of so many pages."""
        return pages * PAGE * self.token_bytes

    def nbytes_of(self, tails: Iterable[int]) -> int:
        """Bytes of tails of so many tokens that have no page in common."""
        return self.bytes_of(sum(map(pages_of, tails)))

    def reserve(self, wanted: Sequence[tuple[list[int], int]]) -> None:
        """Append to each tail's pages what it lacks for so many tokens."""
        lacking = [pages_of(length) - len(pages) for pages, length in wanted]
        self._have(sum(missing for missing in lacking if missing > 0))
        for (pages, _), missing in zip(wanted, lacking, strict=True):
            pages += [self._taken() for _ in range(missing)]

    def release(self, pages: Iterable[int]) -> None:
        """Note that a tail is gone."""
        for page in pages:
            self._users[page] -= 1
            if not self._users[page]:
                del self._users[page]
                heappush(self._free, page)

    def share(self, pages: Sequence[int], length: int) -> list[int]:
        """Give another tail the beginning of these pages: whole ones in common, what remains in a copy."""
        whole = length // PAGE
        for page in pages[:whole]:
            self._users[page] += 1
        if length == whole * PAGE:
            return list(pages[:whole])
        self._have(1)
        rest = self._taken()
        self._copy(pages[whole], rest)
        return [*pages[:whole], rest]

    def shrink(self, tails: Iterable[list[int]]) -> None:
        """Give the memory of pages that nobody has back. These are all tails; their pages are others then."""
        used = sorted(self._users)
        for shelf in self.shelves:
            shelf.choose(used)
        number = {page: index for index, page in enumerate(used)}
        self._users = {number[page]: users for page, users in self._users.items()}
        self._free, self.count = [], len(used)
        for pages in tails:
            pages[:] = [number[page] for page in pages]

    def _taken(self) -> int:
        page = heappop(self._free)
        self._users[page] = 1
        return page

    def _have(self, free: int) -> None:
        """Have so many pages free. It grows by an eighth at least, where it may: growing copies everything."""
        missing = free - len(self._free)
        if missing <= 0:
            return
        count = max(self.count + missing, min(self.count + self.count // 8, self.most))
        for shelf in self.shelves:  # one after the other: two copies of one layer at a time, not of all
            shelf.grow(count)
        self._free += range(self.count, count)
        heapify(self._free)
        self.count = count

    def _copy(self, page: int, other: int) -> None:
        for shelf in self.shelves:
            shelf.copy(page, other)
        mx.eval([(shelf.keys, shelf.values) for shelf in self.shelves])
