"""Where the endpoint answers, in a file that other processes of this home read."""

import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from loop.types import Record

FILE: Final = "serve.json"


class Address(Record):
    """Where the endpoint is, as other processes read it."""

    url: str
    """What a client of OpenAI's API calls its base URL."""
    pid: int


def find(run: Path) -> Address | None:
    """Say where a running process of this data directory answers; None where none does."""
    try:
        address = Address.model_validate_json((run / FILE).read_bytes())
        os.kill(address.pid, 0)
    except (OSError, ValidationError):
        return None
    return address
