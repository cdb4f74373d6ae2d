"""Structured logs: one JSON object a line, in a rotating file; event names in snake case, facts as keys, no secrets."""

import logging
import logging.handlers
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import Processor

FILE: Final = "loopd.jsonl"
SECRET: Final = re.compile(r"(?i)\b(sk-|hf_|bearer\s+)[a-z0-9._\-]{8,}|(?<=[=:])\s*[0-9a-f]{32,}\b")


def set_up(directory: Path) -> Path:
    """Write the log of this process to `directory`/loopd.jsonl, five files of 20 MB at most. Returns the file."""
    path = directory / FILE
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
    earlier = [each for each in root.handlers if isinstance(each, logging.handlers.RotatingFileHandler)]
    root.handlers[:] = [handler]
    for each in earlier:
        each.close()
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


def redacted(text: str) -> str:
    """Blank whatever looks like a credential."""
    return SECRET.sub("[redacted]", text)


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: redacted(value) if isinstance(value, str) else value for name, value in event.items()}
