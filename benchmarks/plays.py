"""The plays of the rollout benchmark: what comes to the model, which tools it has, and what no arm can do without."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from loop.templates.render import Renderer
from loop.types import Catalogue, Message
from task_generators.backends.catalogues import catalogue, tools_of

BACKENDS: Final = ("GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI")
SYSTEM: Final = "You act with tools. Call one tool at a time, read its result, then go on."
SAID: Final = (
    "Please look at what there is and tell me in a sentence what you would do first with item {n}.",
    '{{"status": "ok", "items": [{n}, 17, 23], "note": "two of them are new"}}',
    "Good. Now do the same for the second one and say what changed.",
    '{{"status": "error", "reason": "item {n} is locked by somebody else"}}',
)
Answer = Callable[[int, list[Message]], Message]


class Size(NamedTuple):
    """How large a run is."""

    plays: int
    steps: int
    tokens: int
    """Longest answer."""
    catalogue: int
    """Tokens of a catalogue, about."""
    runs: int


SIZES: Final = {
    "check": Size(8, 2, 8, 1, 1),
    "quick": Size(8, 4, 8, 300, 1),
    "usual": Size(24, 4, 12, 800, 3),
    "full": Size(24, 4, 24, 100_000, 1),
}


class Bench:
    """The plays, and the places that all arms use."""

    def __init__(self, base: Path, size: Size) -> None:
        self.base, self.size = base, size
        self.renderer = Renderer.load(base, "native")
        self.catalogues = [self._cut(backend) for backend in BACKENDS]

    def _cut(self, backend: str) -> Catalogue:
        whole = catalogue(tools_of(backend), [backend])
        kept = 1
        while kept < len(whole.tools) and self.prefix(Catalogue(tools=whole.tools[: kept + 1])) <= self.size.catalogue:
            kept += 1
        return Catalogue(tools=whole.tools[:kept])

    def prefix(self, offered: Catalogue) -> int:
        """Count the tokens of a catalogue's prefix."""
        return self.renderer.prefix([Message(role="system", content=SYSTEM)], offered)

    def offered(self, play: int) -> Catalogue:
        """Say which tools a play has."""
        return self.catalogues[play % len(self.catalogues)]

    def said(self, play: int, step: int) -> Message:
        """Say what comes to the model before a step; every second play of a backend is another sample of one task."""
        role = ("user", "tool")[step % 2]
        return Message(role=role, content=SAID[step % len(SAID)].format(n=play // (2 * len(BACKENDS))))

    def prompt(self, play: int, messages: list[Message]) -> tuple[int, ...]:
        """Render what the model reads before it answers."""
        return self.renderer.prompt(messages, self.offered(play))

    def play(self, play: int, answer: Answer) -> list[Message]:
        """Go through a play's steps, asking an arm for each answer."""
        messages = [Message(role="system", content=SYSTEM)]
        for step in range(self.size.steps):
            messages.append(self.said(play, step))
            messages.append(answer(play, messages))
        return messages

    def all_plays(self, answer: Answer) -> tuple[float, list[list[Message]]]:
        """Run every play at the same time."""
        began = time.perf_counter()
        with ThreadPoolExecutor(self.size.plays) as threads:
            found = list(threads.map(lambda play: self.play(play, answer), range(self.size.plays)))
        return time.perf_counter() - began, found

    def least(self, conversations: list[list[Message]]) -> tuple[int, int]:
        """Count what no arm can do without.

        Gives the tokens of the prefix tree that have to be read (what was said has been computed, but for each
        answer's last token), and those whose keys and values are kept: each prefix once, each play's tail.
        """
        tree: set[tuple[int, ...]] = set()
        kept = sum(map(self.prefix, self.catalogues))
        for play, messages in enumerate(conversations):
            spans = self.renderer.spans(messages[:-1], self.offered(play))
            spoken = [flag for s in spans for flag in [s.loss] * (len(s.tokens) - 1) + [False]]
            tokens = self.prompt(play, messages[:-1])
            spoken += [False] * (len(tokens) - len(spoken))
            tree |= {tokens[: end + 1] for end in range(len(tokens)) if not spoken[end]}
            kept += len(tokens) + len(messages[-1].tokens or ()) - 1 - self.prefix(self.offered(play))
        return len(tree), kept


def answers(plays: list[list[Message]]) -> list[list[tuple[int, ...]]]:
    """Give the tokens that each play's model said, step by step."""
    return [[message.tokens or () for message in play if message.role == "assistant"] for play in plays]
