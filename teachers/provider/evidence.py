"""Takes secrets out of text before it is logged, stored or shown.

Evidence of a failure is worth keeping; a key in it is not. Known secrets go first, then everything that has the shape
of one.
"""

import re
from collections.abc import Iterable
from typing import Final

GONE: Final = "[redacted]"
SHAPES: Final = (
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),  # JSON web token
    re.compile(r"(?i)\b(?:sk|pk|rk|gh[opsu]|github_pat|hf|xox[abp]|glpat|AKIA)[-_]?[A-Za-z0-9][\w-]{11,}"),
    re.compile(r"(?i)(?<=bearer )[^\s\"',;]{6,}"),
    re.compile(r"(?i)(?<=://)[^\s/@\"']+(?=@)"),  # user:password in an address
    re.compile(
        r"(?i)(?:api[_-]?key|token|secret|password|authorization)[\"']?\s*[:=]\s*[\"']?(?!bearer\b)([^\s\"',;&}]{6,})"
    ),
    re.compile(r"\b(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{40,}={0,2}"),
)
ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours of a terminal."""
SHORTEST_SECRET: Final = 6
KEPT: Final = 1500
"""Characters of evidence; the end of a log says most."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Blank out secrets and keep the last `KEPT` characters, on one line."""
    for secret in sorted((word for word in secrets if len(word) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, GONE)
    text = ESCAPES.sub("", text)[-4 * KEPT :]
    for shape in SHAPES:
        text = shape.sub(_blank, text)
    return " ".join(text.split())[-KEPT:]


def _blank(match: re.Match[str]) -> str:
    if not match.re.groups:
        return GONE
    start, end = match.span(1)
    return match.string[match.start() : start] + GONE + match.string[end : match.end()]
