"""What was said and done: messages, players, and the trajectory of one play."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field

from loop.errors import FailureKind
from loop.types.record import Id, Part, Record
from loop.types.tasks import Call, Catalogue, Task, Turn


class Message(Record):
    """One message of a play, in the order in which the player saw or said it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    """Assistant: the text beside the calls, or all of it where no call could be read. Tool: the result as text."""
    calls: tuple[Call, ...] = ()
    """Assistant only. One tool message follows for each, in order."""
    name: str | None = None
    """Tool only: which tool answered."""
    ok: bool | None = None
    """Tool only: false where the tool answered with an error."""
    adds: tuple[str, ...] = ()
    """User only: names of tools that became available with this message."""
    tokens: tuple[int, ...] | None = None
    """Assistant only: the ids that were sampled, the end-of-turn token included. Never decoded and encoded again."""
    leniencies: tuple[str, ...] = ()
    """Assistant only: which forgiving rules were needed to read the message."""
    fault: str | None = None
    """Assistant: why the message could not be read whole. None of its calls was run; no row teaches it. Tool, in a
    trace: why there is no result."""
    reasoning: str | None = None
    """Assistant only: thinking, no part of what was said. A teacher's is handed back to its provider verbatim."""
    learned: bool = True
    """Assistant only: whether training learns it. False where a trace says it and a filter refused it, and for what
    stands before a correction: it is read as context, and nothing else."""


class Usage(Record):
    """What an answer cost. Tokens; `cost` in US dollars."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    cost: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """Add field by field."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Usage(**{name: mine[name] + theirs[name] for name in mine})


class Reply(Record):
    """One answer of a player: an assistant message and what it cost."""

    message: Message
    usage: Usage = Usage()


class Chat(Protocol):
    """One play's conversation with a player."""

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Answer the conversation so far.

        Raises:
            ProviderError: there is no answer; the play is recorded as not played.
        """
        ...


class Player(Protocol):
    """Whoever plays a task: the student at one policy, or a teacher. A frozen pydantic model: fields are settings."""

    @property
    def name(self) -> str:
        """The name in the store."""
        ...

    def open(self, task: Task, seed: int) -> Chat:
        """Begin a conversation about a task. Only the scripted teacher looks at the task's plan."""
        ...


class Rule(Record):
    """How long a player may go on. Official: 20 steps a turn. The seed's: 12. Reaching the cap fails the play."""

    name: Id = "official"
    steps_per_turn: int = Field(default=20, ge=1)


OFFICIAL = Rule()


SEED_RULE = Rule(name="seed", steps_per_turn=12)


class End(StrEnum):
    """How a play ended."""

    CLOSED = "closed"
    """Every turn that was begun ended with a message without a call. With fewer turns than its task, it was stopped."""
    CAP = "cap"
    """A turn reached the step cap: over-run."""
    FAILED = "failed"
    """A provider gave no answer: not a play at all."""


class Failure(Record):
    """A provider's failure, as recorded."""

    kind: FailureKind
    message: str
    retry_at: float | None = None


class Trajectory(Record):
    """One play, kept whole whether it passed or not."""

    task: str
    """`Task.id`."""
    player: str
    policy: str | None = None
    """`Policy.id` of the student that played; None for a teacher."""
    sample: int = 0
    seed: int = 0
    rule: Rule = OFFICIAL
    catalogue: Catalogue = Catalogue()
    messages: tuple[Message, ...] = ()
    end: End
    failure: Failure | None = None
    usage: Usage = Usage()
    started: int = 0
    """Microseconds since the epoch."""
    seconds: float = 0.0

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call, in order."""
        return tuple(call for message in self.messages for call in message.calls)


class Purpose(StrEnum):
    """What a play is for."""

    TRAIN = "train"
    GATE = "gate"


class Play(Record):
    """One owed play: unique per (round, purpose, task, player, policy, sample); a gate's also by its conditions."""

    id: str
    round: int
    purpose: Purpose = Purpose.TRAIN
    task: Task
    player: Part
    """How a worker builds the player. It holds no secret."""
    player_name: str
    policy: str | None = None
    suite: str | None = None
    """`Suite.id`; None unless the purpose is a gate."""
    sample: int = 0
    seed: int = 0
    rule: Rule = OFFICIAL
    system: str = ""
    """The system prompt's text, before the catalogue."""
    referees: tuple[Part, ...] = ()
    """Checkers that are asked between turns whether the play is doomed; named when it is sent to a worker."""


class Accepted(Record):
    """A trajectory that every required checker accepted at its current version."""

    id: str
    task: Task
    trajectory: Trajectory


class TurnAttempt(Record):
    """A turn that a student's play came to, and whether it did there what was asked."""

    turn: Turn
    right: bool
