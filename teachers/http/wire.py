"""How a chat-completions server is asked."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field, JsonValue, SecretStr

from loop.types import Record

NO_KEY: Final = "none"
"""Sent to a server that wants no key."""


class Wire(Record):
    """How a server is asked."""

    base_url: str
    key: SecretStr
    model: str
    step_s: float
    """Deadline of one attempt, in seconds."""
    read_s: float = 120.0
    """Longest silence, in seconds."""
    max_tokens: int | None = None
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request's body."""
    hand_back_reasoning: bool = False
    """Send the model's reasoning back with each of its tool calls."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in evidence."""
        key = self.key.get_secret_value()
        return () if key == NO_KEY else (key,)
