"""Keep what people asked and were answered as traces, where the settings say so: off as delivered.

What is kept goes the way of every trace (`loop.traces.importing`): personal data is replaced before it is stored, and
the same conversation is stored once. A capture that fails, or comes faster than it can be stored, is counted and
dropped; no answer waits for it.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Full, Queue
from typing import Any, Final

import structlog
from pydantic import JsonValue

from loop.errors import LoopdError
from loop.store import Store
from loop.traces.importing import ImportRules, take
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.readers.openai_messages import OpenaiMessages
from loop.traces.trace import LocatedTrace, NotATrace, RowLocation
from loop.types import Record

log = structlog.get_logger()
SOURCE: Final = "capture"
KEY: Final = "pseudonyms.key"
WAITING: Final = 256
"""Answers that wait to be stored, at most."""
LARGEST: Final = 4 * 2**20
"""Bytes of an answer that is kept, at most."""


class Counts(Record):
    """What came of it so far."""

    kept: int = 0
    known: int = 0
    dropped: int = 0
    refused: int = 0


class Capture:
    """Stores a sample of what is answered, in a thread of its own."""

    def __init__(self, store: Store, data: Path, shares: Mapping[str, float]) -> None:
        """Prepare it.

        Args:
            store: where traces are kept.
            data: the data directory, which holds the key of the pseudonyms.
            shares: by model name, the share of its answers that is kept.
        """
        self._store, self._data, self._shares = store, data, dict(shares)
        self._waiting: Queue[tuple[dict[str, Any], bytes, str] | None] = Queue(WAITING)
        self._draw, self._counts, self._number = random.Random(), Counter[str](), 0
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def counts(self) -> Counts:
        """What came of it so far."""
        return Counts.model_validate(dict(self._counts))

    def wants(self, model: str) -> bool:
        """Draw whether the next answer of a model is kept."""
        return self._draw.random() < self._shares.get(model, 0)

    @property
    def words(self) -> str:
        """Say what is kept, behind the address; empty where nothing is."""
        kept = [f"{share:.0%} of {model}" for model, share in self._shares.items() if share]
        return f" (answers are kept as traces: {', '.join(kept)})" if kept else ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Store for as long as the block lasts, and what waits then, where anything may be kept."""
        if not any(self._shares.values()):
            yield
            return
        self._thread.start()
        try:
            yield
        finally:
            self._waiting.put(None)
            self._thread.join()

    def add(self, request: dict[str, Any], answer: bytes, policy: str) -> None:
        """Have an exchange stored.

        Args:
            request: the conversation and the tools, as the student was given them.
            answer: the body of the answer, JSON or server-sent events.
            policy: who answered.
        """
        try:
            self._waiting.put_nowait((request, answer, policy))
        except Full:
            self._counts["dropped"] += 1

    def _run(self) -> None:
        while (each := self._waiting.get()) is not None:
            try:
                self._keep(*each)
            except (NotATrace, LoopdError, ValueError, KeyError, TypeError) as error:
                self._counts["refused"] += 1
                log.warning("capture_refused", why=str(error)[:200])
            except Exception:
                self._counts["refused"] += 1
                log.exception("capture_failed")

    def _keep(self, request: dict[str, Any], answer: bytes, policy: str) -> None:
        record: dict[str, JsonValue] = {
            "request": {"messages": request["messages"], "tools": request["tools"]},
            "response": {"choices": [{"message": message_of(answer)}]},
            "model": policy,
            "created": int(time.time()),
        }
        self._number += 1
        located = LocatedTrace(RowLocation(SOURCE, self._number), SOURCE, OpenaiMessages().trace(record))
        done = take(self._store, [located], ImportRules(licence="private"), Pseudonyms.at(self._data / KEY))
        self._counts.update(kept=done.stored, known=done.known, refused=done.refused)


def message_of(answer: bytes) -> dict[str, Any]:
    """Read the assistant's message from an answer's body, whole or streamed.

    Raises:
        ValueError: there is none, or it broke off.
    """
    if not answer.startswith(b"data: ") and not answer.startswith(b":"):
        return dict(json.loads(answer)["choices"][0]["message"])
    content, calls, ended = "", [], False
    for line in answer.decode().splitlines():
        if not line.startswith("data: {"):
            ended |= line == "data: [DONE]"
            continue
        for choice in json.loads(line.removeprefix("data: ")).get("choices", ()):
            content += choice["delta"].get("content") or ""
            for delta in choice["delta"].get("tool_calls", ()):
                if "id" in delta:
                    calls.append(delta)
                else:
                    calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
    if not ended:
        raise ValueError("the answer broke off")
    return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
