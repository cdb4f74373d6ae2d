"""What every token of a tokenizer spells, in bytes, as a tree: which tokens a grammar allows is found by walking it."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from loop.errors import ConfigError

PRINTABLE: Final = bytes(range(0x20, 0x7F))
CONTINUING: Final = bytes(range(0x80, 0xC0))
PLAIN: Final = bytes(sorted(set(PRINTABLE) - set(b'"\\<')))
"""Bytes that mean nothing in a string but themselves."""
SPACES: Final = "\u2581"
"""How SentencePiece writes a space."""


class Node:
    """Tokens that begin alike: `low` to `high` in the order of bytes; those before `ends` spell nothing more."""

    __slots__ = ("_children", "_words", "depth", "ends", "high", "low")

    def __init__(self, words: list[bytes], depth: int, low: int, high: int) -> None:
        self._words, self.depth, self.low, self.high = words, depth, low, high
        self.ends = low
        while self.ends < high and len(words[self.ends]) == depth:
            self.ends += 1
        self._children: list[tuple[int, Node]] | None = None

    @property
    def path(self) -> bytes:
        """The bytes that they begin with."""
        return self._words[self.low][: self.depth]

    @property
    def children(self) -> list[tuple[int, "Node"]]:
        """The tokens that go on, by the next byte."""
        if self._children is None:
            self._children = list(self._divided())
        return self._children

    def _divided(self) -> Iterator[tuple[int, "Node"]]:
        start = self.ends
        while start < self.high:
            begins = self._words[start][: self.depth + 1]
            beyond = begins[:-1] + bytes([begins[-1] + 1]) if begins[-1] < 0xFF else None  # noqa: PLR2004 - a byte
            end = bisect_left(self._words, beyond, start, self.high) if beyond else self.high
            yield begins[-1], Node(self._words, self.depth + 1, start, end)
            start = end


class Vocabulary:
    """A tokenizer's tokens as bytes. Special tokens spell nothing: no call holds one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Read the tokenizer.

        Raises:
            ConfigError: what its tokens spell is not known, or there is a character of ASCII that it cannot spell.
        """
        self.words = _words(tokenizer)
        spelled = set(self.words.values())
        missing = [chr(byte) for byte in PRINTABLE if bytes([byte]) not in spelled]
        if missing:
            raise ConfigError(f"Calls cannot be constrained: the tokenizer has no token for {missing[0]!r} alone.")
        whole = all(bytes([byte]) in spelled for byte in CONTINUING)
        # Where a begun character could not be completed for sure, none is begun.
        entries = sorted((word, token) for token, word in self.words.items() if word and (whole or _complete(word)))
        listed = [word for word, _ in entries]
        self.tokens: NDArray[np.int64] = np.array([token for _, token in entries], dtype=np.int64)
        """Ids in the order of what they spell."""
        self.size = 1 + max(self.words)
        """Ids lie below."""
        self._strange = np.concatenate([[0], np.cumsum([bool(word.translate(None, PLAIN)) for word in listed])])
        self.root = Node(listed, 0, 0, len(listed))

    def plain(self, node: Node) -> bool:
        """Whether all these tokens are plain text from end to end."""
        return bool(self._strange[node.low] == self._strange[node.high])


def _complete(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _words(tokenizer: Tokenizer) -> dict[int, bytes]:
    added = tokenizer.get_added_tokens_decoder()
    kinds = set(_decoders(json.loads(tokenizer.to_str()).get("decoder")))
    if not kinds & {"ByteLevel", "ByteFallback"}:
        raise ConfigError("Calls cannot be constrained: it is not known what bytes this tokenizer's tokens stand for.")
    letters = _letters() if "ByteLevel" in kinds else None
    words = {}
    for text, token in tokenizer.get_vocab(with_added_tokens=True).items():
        if token in added:
            words[token] = b"" if added[token].special else text.encode()
        else:
            words[token] = _byte_level(text, letters) if letters else _byte_fallback(text)
    return words


def _decoders(decoder: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(decoder, dict):
        yield str(decoder.get("type"))
        for inner in decoder.get("decoders") or ():
            yield from _decoders(inner)


def _letters() -> dict[str, int]:
    """Give the byte of each letter of byte-level BPE (Radford et al., 2019): visible bytes stand for themselves."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in set(visible)]
    return {chr(byte): byte for byte in visible} | {chr(0x100 + index): byte for index, byte in enumerate(others)}


def _byte_level(text: str, letters: dict[str, int]) -> bytes:
    return bytes(letters[letter] for letter in text) if all(letter in letters for letter in text) else b""


def _byte_fallback(text: str) -> bytes:
    if len(text) == len("<0x00>") and text.startswith("<0x") and text.endswith(">"):
        try:
            return bytes([int(text[3:5], 16)])
        except ValueError:
            pass
    return text.replace(SPACES, " ").encode()
