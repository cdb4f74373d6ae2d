"""Asks any teacher one question outside a play; what it runs for that ends with the answer."""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from loop.errors import ConfigError
from loop.types import Catalogue, Message, Reply, Task, Tier, Turn
from teachers.base.teacher import Teacher

NO_TASK: Final = Task(
    generator="judging", family="judging", tier=Tier.EASY, seed=0, backends=("none",), initial={}, tools=(),
    turns=(Turn(user="", plan=()),), leak_group="judging",
)  # fmt: skip
"""A teacher that asks somebody looks at messages and tools alone."""


@runtime_checkable
class Closable(Protocol):
    """A chat that holds a process or a connection."""

    def close(self) -> None:
        """Let go of it."""
        ...


def asked(teacher: Teacher, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
    """Have a teacher answer a conversation, with what the answer cost.

    Raises:
        ConfigError: the teacher asks nobody, so it has no opinion: it plays plans.
        ProviderError: there is no answer.
    """
    if teacher.credential is None:
        raise ConfigError(
            f"The teacher '{teacher.name}' plays plans and answers no questions. Name one that asks a model: codex, "
            "deepseek or openai_compatible"
        )
    chat = teacher.open(NO_TASK, 0)
    try:
        return chat.reply(messages, catalogue)
    finally:
        if isinstance(chat, Closable):
            chat.close()
