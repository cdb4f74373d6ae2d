"""Conversations as Parquet: a row each, `messages` as a list of structs, arguments and tools as JSON in texts.

Arguments and schemas differ from tool to tool, and a column has one type; so they are texts, as OpenAI spells
arguments.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loop.dataset.chat_format import row
from loop.errors import ConfigError
from loop.types import Accepted


def write(accepted: Sequence[Accepted], path: Path) -> None:
    """Write conversations into a file.

    Raises:
        ConfigError: the library for it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("Parquet needs its library. Install it: pip install 'loopd-rest[parquet]'") from error
    function = pa.struct([("name", pa.string()), ("arguments", pa.string())])
    call = pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)])
    message = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("name", pa.string()),
            ("tool_call_id", pa.string()),
            ("tool_calls", pa.list_(call)),
        ]
    )
    schema = pa.schema([("id", pa.string()), ("messages", pa.list_(message)), ("tools", pa.string())])
    parquet.write_table(pa.Table.from_pylist([_row(item) for item in accepted], schema=schema), path)


def _row(accepted: Accepted) -> dict[str, Any]:
    fields = row(accepted, "string")
    return {"id": accepted.id, "messages": fields["messages"], "tools": json.dumps(fields["tools"], ensure_ascii=False)}
