"""One spelling for every JSON value: what is hashed, stored and compared.

Text that a model, a teacher, a data set or a tool supplies is parsed here and nowhere else, so the limits hold
everywhere: no duplicate keys, no NaN, no number beyond 64 bits, no nesting beyond 64, no text beyond one megabyte.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, NoReturn

from pydantic import JsonValue

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 64
MAX_INT: Final = 2**63


_SPELLING: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""Made once: `json.dumps` makes one for every call, which costs as much as most values."""


class NotJson(ValueError):
    """The text is not JSON that loopd accepts."""


def canonical(value: JsonValue) -> str:
    """Spell a value in its one form: sorted keys, no spaces, no NaN, clean Unicode.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON has no word for.
    """
    return clean(_SPELLING.encode(value))


def ordered(value: JsonValue) -> JsonValue:
    """Put every object's keys in order: the store keeps no other, and training must render what serving did."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def digest(value: JsonValue) -> str:
    """Name a value by its content: sha256 of its canonical spelling, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def clean(text: str) -> str:
    """Replace what no database stores: lone surrogates by U+FFFD, NUL by U+2400."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\u2400")


def parse(text: str | bytes, most: int = MAX_BYTES) -> JsonValue:
    """Read JSON that somebody else wrote, of at most `most` bytes.

    Raises:
        NotJson: it is too long, too deep, repeats a key, or is no JSON at all; the message says which.
    """
    if len(text) > most:
        raise NotJson(f"longer than {most} bytes")
    return _within_limits(lambda: _STRICT.decode(text) if isinstance(text, str) else json.loads(text, cls=_Strict))


def parse_at(text: str, start: int) -> tuple[JsonValue, int]:
    """Read the JSON value that begins at `start`, and say where it ends; what follows is not looked at.

    Raises:
        NotJson: as `parse`.
    """
    ends = 0

    def read() -> JsonValue:
        nonlocal ends
        value, ends = _STRICT.raw_decode(text, start)
        return value  # type: ignore[no-any-return]  # the decoder builds nothing but JsonValue

    return _within_limits(read), ends


def _within_limits(read: Callable[[], JsonValue]) -> JsonValue:
    try:
        value = read()
    except NotJson:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotJson(f"{type(error).__name__}: {str(error)[:200]}") from error
    _measure(value, MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise NotJson("a key is repeated within one object")
    return mapping


def _refuse(constant: str) -> NoReturn:
    raise NotJson(f"{constant} is not JSON")


def _bounded(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > MAX_INT:  # noqa: PLR2004 - the longest spelling of a 64-bit integer
        raise NotJson("an integer beyond 64 bits")
    return int(digits)


class _Strict(json.JSONDecoder):
    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_bounded)


_STRICT: Final = _Strict()


def _measure(value: object, depth: int) -> None:
    if depth < 0:
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise NotJson("a number beyond the range of a float")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if depth == 0 or not isinstance(inner, str | int):  # most are, and a call costs more than this look
            _measure(inner, depth - 1)
