"""Keeps secrets out of what is kept, and control characters out of what is shown.

`redacted` stands at the store's and the log's door, `shown` at the terminal's. What a model, a provider or a tool said
is worth keeping as evidence; a key in it is not, and an escape sequence in it must not steer a terminal.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Final

GONE: Final = "[redacted]"
SHAPES: Final = (
    re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),  # JSON web token
    re.compile(
        r"(?i)(?<![\w-])(?:sk|pk|rk|gh[opsu]|github_pat|hf|xox[abp]|glpat|AKIA|AIza)[-_]?(?=[\w-]*\d)[A-Za-z0-9][\w-]{11,}"
    ),
    re.compile(r"(?<![\w-])(?:sk|hf|github_pat)[-_][\w-]{16,}"),
    re.compile(r"(?i)(?<=bearer )[^\s\"',;]{6,}"),
    re.compile(r"(?i)(?<=://)[^\s/@\"']+(?=@)"),  # user:password in an address
    re.compile(r"(?i)(?:key|token|secret|passw(?:or)?d|authorization)=[\"']?([^\s\"',;&}=]{6,}={0,2})"),
    re.compile(
        r"(?i)(?:key|token|secret|passw(?:or)?d|authorization)[\"']?\s*[:=]\s*[\"']?(?!bearer\b)"
        r"((?=[^\s\"',;&}=:]*\d)[^\s\"',;&}=:]{8,}={0,2})"
    ),
)
"""What looks like a credential."""
RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
"""Long enough to be a key in base 64; `_random` says whether it looks drawn."""
HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
"""A digest: it names a policy or a task."""
SHORTEST: Final = 6
"""Characters of a secret; anything shorter is a word."""
NAMES: Final = re.compile(r"(?i)(?:key|token|secret|passw(?:or)?d|credentials?)$")
"""Variables of the environment that hold secrets, by the end of their names."""
JOINER: Final = "\u200d"
"""Joins emoji; it moves nothing."""

_learned: set[str] = set()


def learn(secrets: Iterable[str]) -> None:
    """Remember secrets of this process that its environment does not name, such as a key out of a file."""
    _learned.update(secret for secret in secrets if len(secret) >= SHORTEST)


def blanked(text: str, secrets: Iterable[str] = ()) -> str:
    """Blank the secrets that are known: those given, those learned, and those of the environment.

    For what somebody said, which must otherwise stay as it was said.
    """
    return blanking(secrets)(text)


def blanking(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """Look once for the secrets that are known now, for many texts: the environment is read for each look."""
    pattern = _pattern(frozenset([*_learned, *_named(), *(secret for secret in secrets if len(secret) >= SHORTEST)]))
    return partial(pattern.sub, GONE) if pattern is not None else str


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Blank known secrets and whatever has the shape of one: for reasons, messages of failures, events and the log."""
    text = blanked(text, secrets)
    for shape in SHAPES:
        text = shape.sub(_blank, text)
    return RUN.sub(lambda run: GONE if _random(run[0]) else run[0], text)


def _named() -> Iterable[str]:
    for name in filter(_holds_secret, os.environb):  # bytes: this is asked of every text, and decoding is most of it
        value = os.environ.get(os.fsdecode(name), "")
        if len(value) >= SHORTEST + 2 and not value.startswith(("/", "~", ".")):
            yield value.strip()


@lru_cache(maxsize=1024)
def _holds_secret(name: bytes) -> bool:
    return NAMES.search(os.fsdecode(name)) is not None


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Match any of them, the longest first: one may be part of another."""
    return re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True)))) if secrets else None


def _blank(match: re.Match[str]) -> str:
    if not match.re.groups:
        return GONE
    start, end = match.span(1)
    return match.string[match.start() : start] + GONE + match.string[end : match.end()]


def _random(run: str) -> bool:
    """Whether a run looks drawn: digits, large and small letters. Words and paths have more separators between."""
    mixed = any(map(str.isdigit, run)) and any(map(str.isupper, run)) and any(map(str.islower, run))
    return mixed and HEX.fullmatch(run) is None and sum(map(run.count, "/_-+")) * 12 <= len(run)


def shown(text: str, *, lines: bool = False) -> str:
    r"""Spell control characters as what they are, `\x1b`: nothing that was read may steer the terminal.

    Args:
        text: anything that came from outside.
        lines: keep line breaks; without, a text cannot pose as further lines.
    """
    if text.isprintable():
        return text
    return "".join(item if _harmless(item, lines=lines) else _spelled(item) for item in text)


def _harmless(letter: str, *, lines: bool) -> bool:
    space = letter != "\x85" and unicodedata.category(letter) == "Zs"
    return letter.isprintable() or space or letter == JOINER or (lines and letter == "\n")


def _spelled(letter: str) -> str:
    return repr(letter)[1:-1]
