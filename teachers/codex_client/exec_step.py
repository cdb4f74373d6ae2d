"""One step by `codex exec`: a process, a prompt on its standard input, JSON events back.

Only a completed turn with a message and nothing else is an answer. The client's own exit code says less: it is 0 for
an empty answer too.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from loop.canonical import MAX_BYTES, NotJson, parse
from loop.errors import FailureKind
from loop.types import Usage
from teachers.codex_client.binary import STRICT
from teachers.codex_client.home import Home
from teachers.codex_client.outcomes import failure
from teachers.codex_client.process import ClientProcess, Line
from teachers.provider.evidence import evidence
from teachers.provider.numbers import tokens
from teachers.provider.retry import AttemptFailed

HARMLESS: Final = frozenset({"agent_message", "reasoning", "error"})
"""Items that a turn may hold. Any other is a tool at work; `error` items are warnings."""
ROUTER: Final = "codex_core::tools::router"
"""Names the part of the client that a tool call reaches; it writes to the error stream only."""
USAGE_ERROR: Final = 2
STRAYS: Final = 4
LONGEST_STRAY: Final = 300
"""Characters."""
LAST_WORDS_S: Final = 5.0
"""Seconds that a client may take to end once its turn is completed."""
LONGEST_PROMPT: Final = 1_048_576
"""Characters that the client takes."""


@dataclass
class ClientOutput:
    """What the client has said so far."""

    text: str | None = None
    usage: Usage | None = None
    fault: str | None = None
    notes: list[str] = field(default_factory=list)
    strays: deque[str] = field(default_factory=lambda: deque(maxlen=STRAYS))
    """Lines that are no events; they come from a wrapper around the client."""

    @property
    def answer(self) -> tuple[str, Usage] | None:
        """The answer of a completed turn: it is paid for and counts, however the client ends."""
        if not self.text or self.usage is None or self.fault is not None:
            return None
        return self.text, self.usage


def run_step(home: Home, prompt: str, schema: str, seconds: float) -> tuple[str, Usage]:
    """Ask once.

    Args:
        home: the prepared client.
        prompt: the whole conversation.
        schema: JSON Schema of the answer.
        seconds: wall clock; after it the process group is gone.

    Raises:
        AttemptFailed: there is no answer; the kind says why.
    """
    if len(prompt) > LONGEST_PROMPT:
        raise AttemptFailed(FailureKind.BAD_INPUT, f"the prompt has {len(prompt)} characters; {LONGEST_PROMPT} fit")
    deadline = time.monotonic() + seconds
    with ClientProcess(command(home, schema), home.env, home.empty) as child:
        child.send(prompt, last=True)
        heard = _listen(child, deadline)
        code = child.wait()
    return _judged(heard, code, home, list(child.errors))


def command(home: Home, schema: str) -> list[str]:
    """Compose the arguments. The prompt is never one of them: they show in the process list and are bounded."""
    strict = ["--strict-config"] if home.version >= STRICT else []
    return [
        str(home.binary), "exec", *strict, "--ephemeral", "--skip-git-repo-check", "--json", "--color", "never",
        "--cd", str(home.empty), "--output-schema", str(home.schema_file(schema)), "-",
    ]  # fmt: skip


def _listen(child: ClientProcess, deadline: float) -> ClientOutput:
    heard = ClientOutput()
    try:
        while (line := child.line(deadline)) is not None:
            _hear(line, heard)
            if heard.usage is not None:
                deadline = min(deadline, time.monotonic() + LAST_WORDS_S)
    except AttemptFailed as error:
        if error.kind is not FailureKind.RETRYABLE or heard.answer is None:
            raise
    return heard


def _hear(line: Line, heard: ClientOutput) -> None:
    if line.stream == "err":
        if ROUTER in line.text:
            raise AttemptFailed(FailureKind.UNSAFE, f"the model called a tool of the client: {evidence(line.text)}")
        return
    event = _event(line.text, heard)
    match event.get("type"):
        case "item.started" | "item.updated" | "item.completed":
            _take(event.get("item"), heard)
        case "turn.completed":
            heard.usage = usage_of(event.get("usage"))
        case "turn.failed":
            heard.fault = _message(event.get("error"))
        case "error":
            heard.notes.append(_message(event))


def _take(item: JsonValue, heard: ClientOutput) -> None:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in HARMLESS:
        raise AttemptFailed(FailureKind.UNSAFE, f"the client began to use a tool: {str(kind)[:80]}")
    if kind == "agent_message" and isinstance(item, dict):
        heard.text = str(item.get("text", ""))


def _event(text: str, heard: ClientOutput) -> dict[str, JsonValue]:
    try:
        event = parse(text)
    except NotJson as error:
        heard.strays.append(stray(text, error))
        return {}
    return event if isinstance(event, dict) else {}


def stray(line: str, error: NotJson) -> str:
    """Keep the beginning of a line that is not an event.

    Raises:
        AttemptFailed: BAD_OUTPUT, it is longer than anything that a wrapper writes.
    """
    if len(line) > MAX_BYTES:
        raise AttemptFailed(FailureKind.BAD_OUTPUT, f"the client wrote a line that is not an event: {error}") from error
    return line[:LONGEST_STRAY]


def _message(value: JsonValue) -> str:
    return str(value.get("message", "")) if isinstance(value, dict) else ""


def usage_of(value: JsonValue) -> Usage:
    """Read the tokens of a completed turn; the cached ones are among the prompt's."""
    fields = value if isinstance(value, dict) else {}
    prompt = tokens(fields.get("input_tokens"))
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(tokens(fields.get("cached_input_tokens")), prompt),
        completion_tokens=tokens(fields.get("output_tokens")),
        requests=1,
    )


def _judged(heard: ClientOutput, code: int | None, home: Home, errors: list[str]) -> tuple[str, Usage]:
    if heard.answer is not None:
        return heard.answer
    if code == 0 and heard.usage is not None and heard.fault is None:
        raise AttemptFailed(FailureKind.BAD_OUTPUT, "the answer was empty", usage=heard.usage)
    reason = heard.fault or " ".join(heard.notes[-1:] or [*heard.strays, *errors][-4:])
    reason = reason or f"the client ended with code {code}"
    if code == USAGE_ERROR:
        raise AttemptFailed(FailureKind.FATAL, f"the client refuses its arguments: {evidence(reason, home.secrets)}")
    raise failure(reason, time.time(), secrets=home.secrets)
