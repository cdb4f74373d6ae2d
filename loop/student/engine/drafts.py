"""Guesses at what a conversation says next, looked up in what was read and said before.

Plays repeat: names that a result gave are argued with in the next call, samples of one task and tasks of one backend
make the same calls. A guess costs its place in a forward pass that computes one token of the row anyway, and is kept
only where the model says the same, so it changes an answer no more than other rows of the batch do. No second model is
needed (prompt lookup; SuffixDecoding, arXiv 2411.04975, which looks in other conversations too).
"""

from collections import OrderedDict
from typing import Final

LENGTHS: Final = (16, 8, 4, 2)
"""How many last tokens are looked for, the longest first. What followed so many is trusted for as many more."""
KEPT: Final = 2**17
"""Places that are remembered, four a token: some 40 MB."""


class Drafts:
    """What followed the last tokens of all conversations, wherever they were seen last."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._after: OrderedDict[tuple[int, ...], tuple[list[int], int]] = OrderedDict()

    def heard(self, text: list[int], begin: int) -> None:
        """Remember a text from the token at `begin` on. It may grow; what is added has to be told again."""
        for index in range(begin, len(text)):
            for length in LENGTHS:
                if index >= length:
                    self._remember(tuple(text[index - length : index]), text, index)

    def _remember(self, last: tuple[int, ...], text: list[int], index: int) -> None:
        self._after[last] = text, index
        self._after.move_to_end(last)
        if len(self._after) > self._kept:
            self._after.popitem(last=False)

    def after(self, text: list[int], most: int) -> list[int]:
        """Guess at most so many tokens that follow the text; none where nothing like its end was heard."""
        for length in LENGTHS:
            if len(text) >= length and (places := self._after.get(tuple(text[-length:]))):
                other, place = places
                return other[place : place + min(length, most)]
        return []
