"""Evidence of a failure: the end of what was said, on one line, without secrets or colours."""

import re
from collections.abc import Iterable
from typing import Final

from loop.redaction import blanked, redacted

ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours of a terminal."""
KEPT: Final = 1500
"""Characters; the end of a log says most."""


def evidence(text: str, secrets: Iterable[str] = ()) -> str:
    """Blank out secrets and keep the last `KEPT` characters, on one line."""
    text = ESCAPES.sub("", blanked(text, secrets))[-4 * KEPT :]
    return " ".join(redacted(text).split())[-KEPT:]
