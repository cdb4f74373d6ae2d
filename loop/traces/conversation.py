"""Put a conversation together from what a format tells, message by message."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from loop.canonical import MAX_BYTES, NotJson, clean, parse
from loop.traces.trace import NotATrace
from loop.traces.untrusted import MAX_ITEMS
from loop.types import Call, Message

MISSING: Final = "the trace holds no result of this call"


class LoggedCall(NamedTuple):
    """One call of an assistant message, as the format has it."""

    id: str
    """What its result refers to; empty where the format has no ids."""
    call: Call | None
    """None where its arguments could not be read."""
    fault: str = ""


class _Waiting(NamedTuple):
    place: int
    id: str
    name: str


class Conversation:
    """Collects messages. Results may come in any order; they are laid behind their calls, in the order of the calls."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._waiting: list[_Waiting] = []
        self._answers: dict[int, Message] = {}

    def system(self, content: str) -> None:
        """Take in an instruction."""
        self._add(Message(role="system", content=_bounded(content)))

    def user(self, content: str, adds: Sequence[str] = ()) -> None:
        """Take in what the user says, and the names of tools that come with it."""
        self._add(Message(role="user", content=_bounded(content), adds=tuple(adds)))

    def assistant(self, content: str, calls: Sequence[LoggedCall] = (), reasoning: str | None = None) -> None:
        """Take in what the assistant says and calls. Where one call cannot be read, none is."""
        faults = [asked.fault for asked in calls if asked.call is None]
        read = [asked.call for asked in calls if asked.call is not None] if not faults else []
        self._add(
            Message(
                role="assistant",
                content=_bounded(content),
                calls=tuple(read),
                fault=faults[0] if faults else None,
                reasoning=reasoning or None,
            )
        )
        self._waiting = [_Waiting(index, calls[index].id, call.name) for index, call in enumerate(read)]

    def result(self, content: str, call: str = "", name: str = "", *, ok: bool | None = None) -> None:
        """Take in a result: of the call of that id, else of the first call of that name, else of the first."""
        owner = self._owner(call, name)
        message = Message(role="tool", content=_bounded(content), name=owner.name if owner else name or None, ok=ok)
        if owner is None:
            self._settle(final=False)
            self._messages.append(message)
        else:
            self._answers[owner.place] = message

    def finished(self) -> tuple[Message, ...]:
        """Give the messages.

        Raises:
            NotATrace: nobody says anything in it, or too much.
        """
        self._settle(final=True)
        if not any(message.role == "assistant" for message in self._messages):
            raise NotATrace("no assistant says anything in it")
        if len(self._messages) > MAX_ITEMS:
            raise NotATrace(f"it has {len(self._messages)} messages; {MAX_ITEMS} are read at most")
        return tuple(self._messages)

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the tools whose results are still to come."""
        return tuple(write.name for write in self._waiting if write.place not in self._answers)

    def _owner(self, call: str, name: str) -> _Waiting | None:
        left = [write for write in self._waiting if write.place not in self._answers]
        if call and any(write.id for write in self._waiting):
            return next((pending for pending in left if pending.id == call), None)
        if name and (named := next((pending for pending in left if pending.name == name), None)):
            return named
        return left[0] if left and not (call and name) else None

    def _add(self, message: Message) -> None:
        self._settle(final=False)
        self._messages.append(message)

    def _settle(self, *, final: bool) -> None:
        """Lay the results behind their calls. At the very end a call that waits is the end of the trace, no fault."""
        if final and not self._answers:
            self._waiting = []
        for write in self._waiting:
            missing = Message(role="tool", content="", name=write.name, fault=MISSING)
            self._messages.append(self._answers.get(write.place, missing))
        self._waiting, self._answers = [], {}


def is_result(content: str) -> bool:
    """Whether a user's message is an object or a list in JSON: what a tool says, and no person."""
    if content.lstrip()[:1] not in ("[", "{"):
        return False
    try:
        return isinstance(parse(content), dict | list)
    except NotJson:
        return False


def _bounded(content: str) -> str:
    if len(content) > MAX_BYTES:
        raise NotATrace(f"a message is longer than {MAX_BYTES} characters")
    return clean(content)
