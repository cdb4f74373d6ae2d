"""The student as a player: it asks the server that holds the model. No model code is imported here.

What comes back is stored as it is: the sampled ids, what the server read in them, and what it cost.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx2
from pydantic import ValidationError

from loop.canonical import digest
from loop.errors import FailureKind, ProviderError
from loop.student.wire import Completion, wire_messages, wire_tools
from loop.types import Catalogue, Message, Record, Reply, Task, Usage

__all__ = ["Student"]

SERVER_ERROR: Final = 500
OK: Final = 200
WORD: Final = 2**63


class Student(Record):
    """The student at one policy, served at `url`."""

    url: str
    """The server's root, such as http://127.0.0.1:8080."""
    token_file: str
    """Where the server's bearer token lies."""
    policy: str | None = None
    """`Policy.id` that the server serves; stored with the plays."""
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 160
    constrained: bool = False
    """Whether the server holds calls to the schemas of the tools on offer. A server of another kind ignores it."""
    timeout: float = 600.0
    """Seconds to wait for one answer: the server may have many conversations before this one."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "student"

    def open(self, task: Task, seed: int) -> "StudentChat":  # noqa: ARG002 - the student sees messages alone
        """Begin a conversation.

        Raises:
            ProviderError: the token file is gone, and with it the server (LOST).
        """
        try:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
        except OSError as error:
            raise ProviderError(FailureKind.LOST, f"{self.token_file}: {error.strerror}") from error
        return StudentChat(self, seed, token)


class StudentChat:
    """One play's conversation with the student."""

    def __init__(self, student: Student, seed: int, token: str) -> None:
        self.student, self.seed = student, seed
        self.url = f"{student.url.rstrip('/')}/v1/chat/completions"
        headers = {"Authorization": f"Bearer {token}"}
        # No proxy and no redirect: the token is for the loopback address and for nobody else.
        self.http = httpx2.Client(headers=headers, timeout=student.timeout, trust_env=False, follow_redirects=False)

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far.

        Raises:
            ProviderError: LOST where the server is gone, RETRYABLE where it failed, BAD_INPUT where it refuses.
        """
        body = {
            "messages": wire_messages(tuple(messages)),
            "tools": wire_tools(catalogue),
            "temperature": self.student.temperature,
            "top_p": self.student.top_p,
            "max_tokens": self.student.max_tokens,
            "seed": self._seed(messages),
            **({"constrained": True} if self.student.constrained else {}),
        }
        try:
            answer = self.http.post(self.url, json=body)
        except httpx2.TimeoutException as error:
            raise ProviderError(FailureKind.RETRYABLE, f"no answer in {self.student.timeout:.0f} s") from error
        except httpx2.HTTPError as error:
            raise ProviderError(FailureKind.LOST, f"{type(error).__name__}: {error}") from error
        return _reply(answer)

    def close(self) -> None:
        """End the connection."""
        self.http.close()

    def _seed(self, messages: Sequence[Message]) -> int:
        # Every step has its own numbers: with one seed for all, equal situations would repeat one draw.
        return int(digest([self.seed, len(messages)])[:16], 16) % WORD


def _reply(answer: httpx2.Response) -> Reply:
    if answer.status_code != OK:
        kind = FailureKind.RETRYABLE if answer.status_code >= SERVER_ERROR else FailureKind.BAD_INPUT
        raise ProviderError(kind, f"HTTP {answer.status_code}: {answer.text[:500]}")
    try:
        completion = Completion.model_validate_json(answer.content)
        message = completion.choices[0].message.message()
    except (ValidationError, ValueError) as error:
        raise ProviderError(FailureKind.BAD_OUTPUT, f"no chat completion: {str(error)[:500]}") from error
    return Reply(message=message, usage=Usage(**completion.usage.model_dump(), requests=1))
