"""Files that the formats' real writers made, small, and what stands in them."""

import json
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "files"


@pytest.fixture
def files():
    return FILES


@pytest.fixture
def write(tmp_path):
    """Writes JSON lines, or bytes as they are, into a file of its own."""

    def make(*rows, name="traces.jsonl"):
        path = tmp_path / name
        lines = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return str(path)

    return make
