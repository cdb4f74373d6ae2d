"""One step by `codex exec`: a process, a prompt on its standard input, JSON events back.

Only a completed turn with a message and nothing else is an answer. The client's own exit code says less: it is 0 for
an empty answer too.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import FailureKind
from loop.types import Usage
from teachers.codex_client.binary import STRICT
from teachers.codex_client.home import Home
from teachers.codex_client.outcomes import failure
from teachers.codex_client.process import ClientProcess, Line
from teachers.provider.evidence import redact
from teachers.provider.retry import AttemptFailed

HARMLESS: Final = frozenset({"agent_message", "reasoning", "error"})
"""Items that a turn may hold. Any other is a tool at work; `error` items are warnings."""
ROUTER: Final = "codex_core::tools::router"
"""Names the part of the client that a tool call reaches; it writes to the error stream only."""
USAGE_ERROR: Final = 2
LONGEST_PROMPT: Final = 1_048_576
"""Characters that the client takes."""


@dataclass
class Heard:
    """What the client has said so far."""

    text: str | None = None
    usage: Usage | None = None
    fault: str | None = None
    notes: list[str] = field(default_factory=list)


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


def _listen(child: ClientProcess, deadline: float) -> Heard:
    heard = Heard()
    while (line := child.line(deadline)) is not None:
        _hear(line, heard)
    return heard


def _hear(line: Line, heard: Heard) -> None:
    if line.stream == "err":
        if ROUTER in line.text:
            raise AttemptFailed(FailureKind.UNSAFE, f"the model called a tool of the client: {redact(line.text)}")
        return
    event = _event(line.text)
    match event.get("type"):
        case "item.started" | "item.updated" | "item.completed":
            _take(event.get("item"), heard)
        case "turn.completed":
            heard.usage = usage_of(event.get("usage"))
        case "turn.failed":
            heard.fault = _message(event.get("error"))
        case "error":
            heard.notes.append(_message(event))


def _take(item: JsonValue, heard: Heard) -> None:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in HARMLESS:
        raise AttemptFailed(FailureKind.UNSAFE, f"the client began to use a tool: {str(kind)[:80]}")
    if kind == "agent_message" and isinstance(item, dict):
        heard.text = str(item.get("text", ""))


def _event(text: str) -> dict[str, JsonValue]:
    try:
        event = parse(text)
    except NotJson as error:
        raise AttemptFailed(FailureKind.BAD_OUTPUT, f"the client wrote a line that is no event: {error}") from error
    return event if isinstance(event, dict) else {}


def _message(value: JsonValue) -> str:
    return str(value.get("message", "")) if isinstance(value, dict) else ""


def usage_of(value: JsonValue) -> Usage:
    """Read the tokens of a completed turn; the cached ones are among the prompt's."""
    found = value if isinstance(value, dict) else {}
    count = {name: amount for name, amount in found.items() if isinstance(amount, int)}
    return Usage(
        prompt_tokens=count.get("input_tokens", 0),
        cached_tokens=count.get("cached_input_tokens", 0),
        completion_tokens=count.get("output_tokens", 0),
        requests=1,
    )


def _judged(heard: Heard, code: int | None, home: Home, errors: list[str]) -> tuple[str, Usage]:
    if code == 0 and heard.usage is not None and heard.fault is None:
        if heard.text:
            return heard.text, heard.usage
        raise AttemptFailed(FailureKind.BAD_OUTPUT, "the answer was empty", usage=heard.usage)
    evidence = heard.fault or " ".join(heard.notes[-1:] or errors[-4:]) or f"the client ended with code {code}"
    if code == USAGE_ERROR:
        raise AttemptFailed(FailureKind.FATAL, f"the client refuses its arguments: {redact(evidence, home.secrets)}")
    raise failure(evidence, time.time(), secrets=home.secrets)
