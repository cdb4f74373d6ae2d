"""Structured logs: one JSON object a line, in a rotating file; event names in snake case, facts as keys, no secrets."""

import logging
import logging.handlers
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import Processor

from loop.redaction import redacted

FILE: Final = "loopd.jsonl"


def set_up(directory: Path, name: str = FILE) -> Path:
    """Write the log of this process to a file of that name, five files of 20 MB at most. Returns the file.

    Two processes never write the same one.
    """
    path = directory / name
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=20_000_000, backupCount=4, encoding="utf-8")
    spell: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=spell, foreign_pre_chain=before))
    root = logging.getLogger()
    earlier = [handler for handler in root.handlers if isinstance(handler, logging.handlers.RotatingFileHandler)]
    root.handlers[:] = [handler]
    for file in earlier:
        file.close()
    root.setLevel(logging.INFO)
    for quiet in ("uvicorn", "httpx2", "httpcore2", "alembic"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk must not print a traceback for every line of the log
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return path


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: value if name.startswith("_") else _fact(value) for name, value in event.items()}


def _fact(value: Any) -> Any:  # noqa: ANN401 - whatever is logged
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {name: _fact(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_fact(inner) for inner in value]
    return value if value is None or isinstance(value, int | float) else redacted(str(value))
