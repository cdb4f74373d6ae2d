"""Time a served policy alone: one conversation after the other, every answer by the clock."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from loop.rollout.conversation import conversation
from loop.rollout.play import Transcript, converse
from loop.store.evidence import Timing
from loop.types import Catalogue, Chat, Message, Player, Reply, Rule, Task
from task_generators.backends.catalogues import catalogue
from task_generators.backends.worlds import open_world

GB = 1e9


@dataclass
class Clock:
    """A conversation whose answers are timed."""

    chat: Chat
    timings: list[Timing] = field(default_factory=list)

    def reply(self, messages: Sequence[Message], offered: Catalogue) -> Reply:
        """Pass the question on, and note what the answer took."""
        began = time.monotonic()
        reply = self.chat.reply(messages, offered)
        seconds = time.monotonic() - began
        self.timings.append(Timing(seconds=seconds, answers=1, tokens=reply.usage.completion_tokens))
        return reply


def time_answers(player: Player, tasks: Iterable[Task], *, system: str, rule: Rule, seed: int) -> list[Timing]:
    """Play tasks, one after the other.

    Raises:
        ProviderError: the server gave no answer.
    """
    timings: list[Timing] = []
    for task in tasks:
        world, offered = open_world(task.backends, task.initial), catalogue(task.tools, task.backends, task.initial)
        with conversation(player, task, seed) as chat:
            clock = Clock(chat)
            converse(clock, task, world, offered, rule=rule, system=system, into=Transcript())
        timings += clock.timings
    return timings


def peak_gb(url: str, token_file: Path) -> float | None:
    """Ask the server for the most memory that it held, in 10^9 bytes; None where it does not tell."""
    headers = {"Authorization": f"Bearer {token_file.read_text(encoding='ascii').strip()}"}
    try:
        stats = httpx2.get(f"{url}/v1/stats", headers=headers, timeout=60, trust_env=False).json().get("peak_bytes")
    except (httpx2.HTTPError, ValueError):
        return None
    return stats / GB if isinstance(stats, int) else None
