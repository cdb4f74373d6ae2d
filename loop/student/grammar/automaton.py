"""An assistant's answer as an automaton over bytes: free text, in which every call fits one of the offered tools.

    answer := text (OPEN "{" "name": NAME, "arguments": ARGUMENTS "}" CLOSE text)*

The automaton has a stack. A state is an immutable linked list of frames, the one that reads next on top; `step` reads
one byte. It holds back nothing but calls: text stays free until the whole opening marker has been said, and is free
again after the closing one. Calls are spelled as `loop.templates.spans` spells them, with or without the space after a
colon and a comma and the line breaks of the Hermes form, and JSON is RFC 8259 within the limits of `loop.canonical`.

No state is a dead end: from each one a byte of printable ASCII, or one that completes a UTF-8 character, goes on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from pydantic import JsonValue

from loop.templates.parse import CLOSE, OPEN

MARKERS: Final = (OPEN.encode(), CLOSE.encode())
QUOTE, BACKSLASH, COMMA, ANGLE = b'"\\,<'
SPACE, NEWLINE = b" \n"
DIGITS: Final = frozenset(b"0123456789")
HEX: Final = frozenset(b"0123456789abcdefABCDEF")
ESCAPED: Final = frozenset(b'"\\/bfnrtu')
SURROGATE: Final = frozenset(b"dD")
"""How half a pair begins after `\\u`; characters beyond the basic plane are written as they are."""
MAX_DIGITS: Final = 15
"""Of each part of a number: within 64 bits, and within a float's precision."""
MAX_EXPONENT: Final = 2
MAX_FREE_KEYS: Final = 16
"""Keys of an object whose schema names none."""


class State(NamedTuple):
    """What reads the next byte, and what reads on when that is done."""

    frame: "Frame"
    below: "State | None"


class Frame(Protocol):
    """One thing that is being read."""

    def step(self, byte: int, below: State | None) -> State | None:
        """Read a byte and give the state after it; None where the byte does not fit."""
        ...


class Schema(Protocol):
    """What a value has to be."""

    def begin(self, byte: int, below: State) -> State | None:
        """Read a value's first byte."""
        ...


class Options(Protocol):
    """Words of which one is said."""

    @property
    def spelled(self) -> Sequence[bytes]:
        """The words."""
        ...

    def chosen(self, index: int, below: State) -> State:
        """Give the state after the word."""
        ...


def step(state: State | None, byte: int) -> State | None:
    """Read a byte; None where it does not fit."""
    return state.frame.step(byte, state.below) if state else None


def put(below: State | None, *frames: Frame) -> State:
    """Put frames on a state, the first to be read first."""
    for frame in reversed(frames):
        below = State(frame, below)
    assert below is not None, "there is a frame"
    return below


def spell(value: JsonValue) -> bytes:
    """Spell a value as the student is taught to, without any text that the parser would take for a marker."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if any(marker.decode() in text for marker in MARKERS):
        text = text.replace("<", "\\u003c")
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Exactly:
    """These bytes."""

    text: bytes
    at: int = 0

    def step(self, byte: int, below: State | None) -> State | None:
        """Read one of them."""
        if self.text[self.at] != byte:
            return None
        return below if self.at + 1 == len(self.text) else State(replace(self, at=self.at + 1), below)


@dataclass(frozen=True, slots=True)
class Perhaps:
    """This byte, or nothing."""

    byte: int

    def step(self, byte: int, below: State | None) -> State | None:
        """Read it, or what comes after."""
        return below if byte == self.byte else step(below, byte)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several words: those that are still possible, by index, after `at` bytes."""

    options: Options
    alive: tuple[int, ...]
    at: int = 0

    def step(self, byte: int, below: State | None) -> State | None:
        """Read a byte of a word; a word that another one goes on from ends where the other does not fit."""
        assert below is not None, "a call is within a text"
        spelled, at = self.options.spelled, self.at
        alive = tuple(index for index in self.alive if len(spelled[index]) > at and spelled[index][at] == byte)
        if len(alive) == 1 and len(spelled[alive[0]]) == at + 1:
            return self.options.chosen(alive[0], below)
        if alive:
            return State(OneOf(self.options, alive, at + 1), below)
        ended = next((index for index in self.alive if len(spelled[index]) == at), None)
        return None if ended is None else step(self.options.chosen(ended, below), byte)


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a schema."""

    schema: Schema

    def step(self, byte: int, below: State | None) -> State | None:
        """Read its first byte."""
        assert below is not None, "a call is within a text"
        return self.schema.begin(byte, below)


class Fields(Options, Protocol):
    """The keys of an object that has names for them, each with both quotes."""

    @property
    def required(self) -> int:
        """Bit i: key i must be there."""
        ...


@dataclass(frozen=True, slots=True)
class Members:
    """The rest of an object after its opening brace, or after a value: each key at most once, required ones surely."""

    fields: Fields
    used: int = 0
    """Bit i: key i has been said."""

    def step(self, byte: int, below: State | None) -> State | None:
        """Read the end, or what comes before the next key."""
        if byte == ord("}"):
            return None if self.fields.required & ~self.used else below
        left = tuple(index for index in range(len(self.fields.spelled)) if not self.used >> index & 1)
        key = OneOf(self.fields, left)
        if left and self.used and byte == COMMA:
            return put(below, Perhaps(SPACE), key, self)
        return None if self.used or not left else key.step(byte, State(self, below))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rest of an object whose keys are free: each different, as the parser wants."""

    values: Schema
    used: tuple[bytes, ...] = ()

    def step(self, byte: int, below: State | None) -> State | None:
        """Read the end, or what comes before the next key."""
        if byte == ord("}"):
            return below
        if not self.used:
            return put(below, Text(key=True), self) if byte == QUOTE else None
        more = byte == COMMA and len(self.used) < MAX_FREE_KEYS
        return put(below, Perhaps(SPACE), Exactly(b'"'), Text(key=True), self) if more else None


@dataclass(frozen=True, slots=True)
class Items:
    """The rest of an array."""

    schema: Schema
    first: bool = True

    def step(self, byte: int, below: State | None) -> State | None:
        """Read the end, or what comes before the next item."""
        if byte == ord("]"):
            return below
        later = Items(self.schema, first=False)
        if self.first:
            return self.schema.begin(byte, State(later, below))
        return put(below, Perhaps(SPACE), Value(self.schema), later) if byte == COMMA else None


@dataclass(frozen=True, slots=True)
class Number:
    """The rest of a number. `part` is where in it: - 0 i(nteger) . f(raction) e + x(ponent)."""

    whole: bool
    part: str
    digits: int = 1

    def step(self, byte: int, below: State | None) -> State | None:
        """Read on, or what comes after."""
        after = self._digit(byte) if byte in DIGITS else self._sign(byte)
        if after is not None:
            return State(after, below)
        return step(below, byte) if self.part in "0ifx" else None

    def _digit(self, byte: int) -> "Number | None":
        if self.part == "-":
            return Number(self.whole, "0" if byte == ord("0") else "i")
        if self.part in ".e+":
            return Number(self.whole, "f" if self.part == "." else "x")
        most = {"0": 1, "x": MAX_EXPONENT}.get(self.part, MAX_DIGITS)
        return Number(self.whole, self.part, self.digits + 1) if self.digits < most else None

    def _sign(self, byte: int) -> "Number | None":
        if byte == ord(".") and self.part in "0i" and not self.whole:
            return Number(self.whole, ".")
        if byte in b"eE" and self.part in "0if" and not self.whole:
            return Number(self.whole, "e")
        return Number(self.whole, "+") if byte in b"+-" and self.part == "e" else None


class Ended(Exception):
    """The quote that ends a string was read."""


@dataclass(frozen=True, slots=True)
class Text:
    """The rest of a string. It never spells a marker: the parser cuts calls there, whatever the quotes.

    A key is written without escapes, so that equal keys are equal bytes.
    """

    key: bool = False
    pending: bytes = b""
    """A character, an escape or a marker that has begun."""
    said: bytes = b""
    """The whole key so far."""

    def step(self, byte: int, below: State | None) -> State | None:
        """Read a byte of the string, or its end."""
        try:
            pending = read_text(self.key, self.pending, byte)
        except Ended:
            return self.end(below)
        if pending is None:
            return None
        return State(Text(self.key, pending, self.said + bytes([byte]) if self.key else b""), below)

    def end(self, below: State | None) -> State | None:
        """Give the state after the closing quote; None where the key was there before."""
        if not self.key:
            return below
        assert below is not None, "a key is within an object"
        assert isinstance(below.frame, Pairs), "a free key is within a free object"
        pairs = below.frame
        if self.said in pairs.used:
            return None
        more = replace(pairs, used=(*pairs.used, self.said))
        return put(below.below, Exactly(b":"), Perhaps(SPACE), Value(pairs.values), more)


def read_text(key: bool, pending: bytes, byte: int) -> bytes | None:  # noqa: FBT001 - a state's first part
    """Read a byte of a string and say what is pending after it; None where it does not fit.

    Raises:
        Ended: it was the closing quote.
    """
    if pending[:1] == b"\\":
        return _escape(pending, byte)
    if pending[:1] >= b"\x80":
        return _character(pending + bytes([byte]))
    if byte == QUOTE:
        raise Ended
    if byte < SPACE or (byte == BACKSLASH and key):
        return None
    if byte == BACKSLASH:
        return b"\\"
    return _character(bytes([byte])) if byte >= 0x80 else _marker(pending, byte)  # noqa: PLR2004 - beyond ASCII


def _escape(pending: bytes, byte: int) -> bytes | None:
    if len(pending) == 1:
        fits = byte in ESCAPED
        return (b"\\u" if byte == ord("u") else b"") if fits else None
    fits = byte in HEX and not (len(pending) == len(b"\\u") and byte in SURROGATE)
    whole = len(pending) + 1 == len(b"\\uffff")
    return (b"" if whole else pending + bytes([byte])) if fits else None


def _character(begun: bytes) -> bytes | None:
    """Say what is pending of a character beyond ASCII (Unicode 15, table 3-7)."""
    lead = begun[0]
    length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4  # noqa: PLR2004 - how UTF-8 counts
    low, high = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}.get(lead, (0x80, 0xBF))
    second = len(begun) < 2 or low <= begun[1] <= high  # noqa: PLR2004 - how UTF-8 counts
    fits = 0xC2 <= lead <= 0xF4 and second and all(0x80 <= byte <= 0xBF for byte in begun[1:])  # noqa: PLR2004
    return (b"" if len(begun) == length else begun) if fits else None


def _marker(pending: bytes, byte: int) -> bytes | None:
    begun = pending + bytes([byte])
    if begun in MARKERS:
        return None
    if any(marker.startswith(begun) for marker in MARKERS):
        return begun
    return b"<" if byte == ANGLE else b""


@dataclass(frozen=True, slots=True)
class Free:
    """Text without limits, until the opening marker is complete."""

    call: tuple[Frame, ...] = ()
    """What reads a call after its marker; nothing where there may be none."""
    pending: bytes = b""

    def step(self, byte: int, below: State | None) -> State | None:
        """Read a byte of it."""
        begun = self.pending + bytes([byte])
        if begun == MARKERS[0]:
            return put(State(Free(self.call), below), *self.call) if self.call else None
        pending = begun if MARKERS[0].startswith(begun) else b"<" if byte == ANGLE else b""
        return State(Free(self.call, pending), below)
