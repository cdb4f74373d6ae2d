"""What a filter of traces is: a checker that says which messages of a conversation nobody should learn from.

A filter is a plug-in of `loop.traces.filters`, one file with one frozen pydantic model. Its verdicts lie in SQL beside
all others, each with a reason; the faults that it found, message by message, are the verdict's evidence. A filter that
needs to have seen all traces before it can judge one (are two nearly the same?) says so by `studied`.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple, Self

from pydantic import JsonValue

from loop.types import Message, Record, Task, Trajectory, Verdict

WHOLE: Final = -1
"""The place of a fault of the conversation as a whole: none of it is to be learned."""
MOST: Final = 200
"""Faults of one conversation that are kept."""


class TraceFault(NamedTuple):
    """Something that is wrong with one message, or with the whole conversation."""

    place: int
    """The message's place in the trajectory; WHOLE for the conversation."""
    kind: str
    detail: str


class StudiedTrace(NamedTuple):
    """One conversation that a filter studies, and where other filters found fault with it."""

    id: str
    trajectory: Trajectory
    faulty: frozenset[int]


class Filter(Record):
    """A filter. A subclass says what it finds wrong."""

    version: ClassVar[int] = 1
    studies: ClassVar[bool] = False
    """Whether it has to see all traces before it judges one."""

    @property
    def name(self) -> str:
        """The name in the store: that of its file, behind `trace-`."""
        return f"trace-{type(self).__module__.rpartition('.')[2]}"

    @abstractmethod
    def faults(self, trajectory: Trajectory) -> Iterable[TraceFault]:
        """Find what is wrong with a conversation. Never raises for anything that it may hold."""

    def studied(self, seen: Iterable[StudiedTrace]) -> Self:
        """Return this filter as it is after it has seen all traces."""
        del seen
        return self

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge one conversation: it passes where nothing is wrong with it."""
        del task
        return self.verdict(trajectory, list(self.faults(trajectory)))

    def verdict(self, trajectory: Trajectory, faults: Sequence[TraceFault]) -> Verdict:
        """Say in a verdict what was found."""
        said = sum(message.role == "assistant" for message in trajectory.messages)
        wrong = {fault.place for fault in faults}
        score = 0.0 if WHOLE in wrong else 1 - len(wrong) / max(said, len(wrong), 1)
        turns = _turns(trajectory.messages)
        shown: list[JsonValue] = [
            {
                "message": fault.place,
                "turn": turns.get(fault.place, 0),
                "kind": fault.kind,
                "detail": fault.detail[:300],
            }
            for fault in faults[:MOST]
        ]
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not faults,
            score=score,
            reason=_described(faults[0], turns) if faults else "nothing is wrong",
            evidence={"faults": shown, "count": len(faults)},
        )


def _turns(messages: Sequence[Message]) -> dict[int, int]:
    """Number each message's turn, from 1; 0 before the first."""
    turn, turns = 0, {}
    for index, message in enumerate(messages):
        turn += message.role == "user"
        turns[index] = turn
    return turns


def _described(fault: TraceFault, turns: Mapping[int, int]) -> str:
    where = "the conversation" if fault.place == WHOLE else f"turn {turns.get(fault.place, 0)}, message {fault.place}"
    return f"{where}: {fault.detail[:300]}"


def faulty(verdicts: Iterable[Verdict]) -> frozenset[int]:
    """Name the messages with which verdicts of filters found fault."""
    places: set[int] = set()
    for verdict in verdicts:
        listed = verdict.evidence.get("faults")
        for item in listed if isinstance(listed, list) else ():
            place = item.get("message") if isinstance(item, dict) else None
            if isinstance(place, int):
                places.add(place)
    return frozenset(places)


def said(trajectory: Trajectory) -> Iterator[tuple[int, Message]]:
    """Give the assistant's messages, each with its place."""
    return ((index, message) for index, message in enumerate(trajectory.messages) if message.role == "assistant")
