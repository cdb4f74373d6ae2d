"""Holding a conversation with a player: what a chat has running ends with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from loop.types import Chat, Player, Task


@contextmanager
def conversation(player: Player, task: Task, seed: int) -> Iterator[Chat]:
    """Open a player's chat about a task, and end it when the block ends, however it ends.

    A chat that holds a process or a connection has a `close()` without arguments; one that holds nothing needs none.
    The garbage collector is no substitute: an error that was caught and kept holds its frames, and they hold the chat.

    Raises:
        ProviderError: the player cannot begin.
    """
    chat = player.open(task, seed)
    try:
        yield chat
    finally:
        close = getattr(chat, "close", None)
        if close is not None:
            close()
