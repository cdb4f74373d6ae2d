"""Structured logs: one JSON object a line, in a rotating file; event names in snake case, facts as keys, no secrets."""

import logging
import logging.handlers
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

FILE: Final = "loopd.jsonl"
SECRET: Final = re.compile(r"(?i)\b(sk-|hf_|bearer\s+)[a-z0-9._\-]{8,}|(?<=[=:])\s*[0-9a-f]{32,}\b")


def set_up(directory: Path) -> Path:
    """Write the log of this process to `directory`/loopd.jsonl, five files of 20 MB at most. Returns the file."""
    path = directory / FILE
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=20_000_000, backupCount=4, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return path


def redacted(text: str) -> str:
    """Blank whatever looks like a credential."""
    return SECRET.sub("[redacted]", text)


def _redact(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: redacted(value) if isinstance(value, str) else value for name, value in event.items()}
