"""Constrained decoding of calls: which tokens may come next, from the grammar's state and the vocabulary's tree.

A mask is found once per state and kept. Inside a string nearly every token fits, whatever the string is in: that walk
is made once per vocabulary, and only the tokens that end the string are walked on for each state (the division of
XGrammar, Dong et al., 2024).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from loop.student.grammar.automaton import Ended, Free, State, Text, read_text, step
from loop.student.grammar.schemas import answer
from loop.student.grammar.vocabulary import Node, Vocabulary
from loop.student.sampling import Sampling, choose
from loop.templates.parse import MAX_CALLS
from loop.types import Catalogue

MAX_MASKS: Final = 512
"""Masks kept: a byte a token of the vocabulary each."""
MAX_GRAMMARS: Final = 64
GREEDY: Final = Sampling()
Range = tuple[int, int]


class Walk(NamedTuple):
    """Tokens that stay in a string, and where in the tree it ended."""

    inside: list[Range]
    closed: list[Node]


class Constraint:
    """One tokenizer's masks, for any catalogue. Use it from one thread."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Take a tokenizer; it is read when a request wants a constraint for the first time."""
        self._tokenizer = tokenizer
        self._grammars: OrderedDict[str, State] = OrderedDict()
        self._masks: OrderedDict[tuple[State, int], mx.array | None] = OrderedDict()
        self._walks: dict[tuple[bool, bytes, Node], Walk] = {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the tokens spell."""
        return Vocabulary(self._tokenizer)

    def begin(self, offered: Catalogue) -> "Matcher":
        """Follow one answer whose calls have to fit these tools.

        Raises:
            ConfigError: the tokenizer's tokens cannot be constrained.
        """
        found = self._grammars.pop(offered.id, None) or answer(offered)
        self._grammars[offered.id] = found
        if len(self._grammars) > MAX_GRAMMARS:
            self._grammars.popitem(last=False)
        return Matcher(self, self.vocabulary.words, found)

    def mask(self, state: State, size: int) -> mx.array | None:
        """Give the tokens that fit, [size] bool; None where all do."""
        key = (state, size)
        if key in self._masks:
            self._masks.move_to_end(key)
            return self._masks[key]
        fits = self.fits(state, size)
        self._masks[key] = None if fits.all() else mx.array(fits)
        if len(self._masks) > MAX_MASKS:
            self._masks.popitem(last=False)
        return self._masks[key]

    def fits(self, state: State, size: int) -> NDArray[np.bool_]:
        """Find the tokens that fit, [size] bool."""
        root, free = self.vocabulary.root, isinstance(state.frame, Free)
        fits = np.full(max(size, self.vocabulary.size), free)
        for after, node in self._opened(state, root) if free else ():
            self._set(fits, [(node.low, node.high)], value=False)
            if after is not None:
                self._set(fits, [(node.low, node.ends), *self._from(after, node)])
        if not free:
            self._set(fits, self._from(state, root))
        return fits[:size]

    def _set(self, fits: NDArray[np.bool_], ranges: Iterable[Range], *, value: bool = True) -> None:
        for low, high in ranges:
            fits[self.vocabulary.tokens[low:high]] = value

    def _opened(self, state: State, node: Node) -> Iterator[tuple[State | None, Node]]:
        """Find where tokens complete the opening marker, and the state there."""
        todo = [(state, node)]
        while todo:
            state, node = todo.pop()
            assert isinstance(state.frame, Free), "others are given, not walked"
            if not state.frame.pending and self.vocabulary.plain(node):
                continue
            for byte, child in node.children:
                after = step(state, byte)
                if after is None or not isinstance(after.frame, Free):
                    yield after, child
                else:
                    todo.append((after, child))

    def _from(self, state: State, node: Node) -> Iterator[Range]:
        """Find the tokens below a place in the tree that fit, as ranges of the tree's order."""
        todo = [(state, node)]
        while todo:
            state, node = todo.pop()
            if isinstance(state.frame, Text):
                walk = self._inside(state.frame, node)
                yield from walk.inside
                nexts = [(self._closed(state, node, end), end) for end in walk.closed]
            elif isinstance(state.frame, Free):
                yield from self._free(state, node)
                continue
            else:
                nexts = [(step(state, byte), child) for byte, child in node.children]
            for after, child in nexts:
                if after is not None:
                    yield child.low, child.ends
                    todo.append((after, child))

    def _free(self, state: State, node: Node) -> Iterator[Range]:
        """Find the tokens that end a call and go on with text, and perhaps with another call."""
        for byte, child in node.children:
            after = step(state, byte)
            if after is not None:
                yield child.low, child.ends
                yield from self._from(after, child)

    def _inside(self, text: Text, node: Node) -> Walk:
        key = (text.key, text.pending, node)
        if key not in self._walks:
            self._walks[key] = self._walked(text.key, text.pending, node)
        return self._walks[key]

    def _walked(self, key: bool, pending: bytes, node: Node) -> Walk:  # noqa: FBT001 - a state's first part
        found, todo = Walk([], []), [(pending, node)]
        while todo:
            pending, node = todo.pop()
            if not pending and self.vocabulary.plain(node):
                found.inside.append((node.ends, node.high))
                continue
            for byte, child in node.children:
                try:
                    after = read_text(key, pending, byte)
                except Ended:
                    found.closed.append(child)
                    continue
                if after is not None:
                    found.inside.append((child.low, child.ends))
                    todo.append((after, child))
        return found

    @staticmethod
    def _closed(state: State, node: Node, end: Node) -> State | None:
        assert isinstance(state.frame, Text), "only strings are walked apart"
        text = state.frame
        said = end.path[node.depth : -1]
        return Text(text.key, b"", text.said + said).end(state.below) if text.key else text.end(state.below)


class Matcher:
    """One answer: where in the grammar it is."""

    def __init__(self, constraint: Constraint, words: dict[int, bytes], state: State) -> None:
        self._constraint, self._words = constraint, words
        self.state = state
        self.calls = 0

    def mask(self, size: int) -> mx.array | None:
        """Give the tokens that may come next, [size] bool; None where all may."""
        return self._constraint.mask(self.state, size)

    def advance(self, token: int) -> bool:
        """Note what was said; False, and nothing noted, where it does not fit."""
        after: State | None = self.state
        word = self._words.get(token, b"")
        if not word and not isinstance(self.state.frame, Free):
            return False
        for byte in word or b"\0":  # a special token is text that ends every marker
            after = step(after, byte)
        if after is None:
            return False
        self._count(after)
        return True

    def _count(self, after: State) -> None:
        """Let no more calls begin than the parser reads."""
        was = isinstance(self.state.frame, Free)
        self.calls += was and not isinstance(after.frame, Free)
        spent = self.calls >= MAX_CALLS and isinstance(after.frame, Free)
        self.state = State(Free(), None) if spent else after


def masked(logits: mx.array, matchers: Sequence[Matcher | None]) -> mx.array:
    """Take what does not fit out of logits [R, V]; rows without a constraint keep every bit."""
    size = logits.shape[-1]
    masks = [matcher.mask(size) if matcher else None for matcher in matchers]
    if all(mask is None for mask in masks):
        return logits
    every = mx.ones((size,), dtype=mx.bool_)
    return mx.where(mx.stack([every if mask is None else mask for mask in masks]), logits, -mx.inf)


def settled(logits: mx.array, token: int, matcher: Matcher) -> int:
    """Note a sampled token; where rounding let one through that does not fit, the likeliest that does is said."""
    if matcher.advance(token):
        return token
    [[best], _] = choose(logits[None], [GREEDY], [0.0])
    matcher.advance(best)
    return best
