"""The idle player: closes every turn without a call. What it scores on a suite, the suite gives away."""

from collections.abc import Sequence

from loop.types import Catalogue, Message, Record, Reply, Task
from teachers.base.teacher import Teacher

__all__ = ["Idle"]


class Idle(Teacher):
    """A baseline: right only where nothing is to be done."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "idle"

    def open(self, task: Task, seed: int) -> "IdleChat":
        """Begin a play of which nothing comes."""
        del task, seed
        return IdleChat()


class IdleChat(Record):
    """One play."""

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Say that it cannot."""
        del messages, catalogue
        return Reply(message=Message(role="assistant", content="I cannot do that."))
