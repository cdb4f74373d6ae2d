"""What is to be done: turns, plans and catalogues, and the worlds in which calls run."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import Discriminator, Field, JsonValue, Tag

from loop.canonical import digest
from loop.types.record import Id, Record


class Tier(StrEnum):
    """How hard a task is, by the length of its plan."""

    EASY = "easy"
    """1 or 2 calls."""
    MODERATE = "moderate"
    """3 or 4 calls."""
    HARD = "hard"
    """5 to 7 calls over 4 turns."""
    VERYHARD = "veryhard"
    """9 to 16 calls over 6 to 8 turns."""


class Split(StrEnum):
    """What a task may be used for. A leak group lies in one split."""

    TRAIN = "train"
    HELDOUT = "heldout"
    SEALED = "sealed"
    """Opened by a promotion only."""


class Call(Record):
    """One tool call: a name and literal arguments."""

    name: str
    arguments: Mapping[str, JsonValue] = {}


class From(Record):
    """A plan's argument whose value an earlier result supplies: `path` into the result of plan call `step`.

    `rule` names a derivation of `loop.plan.RULES` ("same", "cheapest", "times" …); `operand` is its second input.
    """

    step: int = Field(ge=0)
    """Index of the plan's call that supplies the value, counted over the whole task."""
    path: tuple[str | int, ...] = ()
    rule: str = "same"
    operand: JsonValue = None
    kind: Literal["from"] = "from"
    """Tells a reference from a literal object when a plan is read back from JSON."""


def _tag(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else None
    return "from" if isinstance(value, From) or kind == "from" else "literal"


Argument = Annotated[Annotated[From, Tag("from")] | Annotated[JsonValue, Tag("literal")], Discriminator(_tag)]
"""A plan's argument: a literal, or a reference to an earlier result."""


class PlannedCall(Record):
    """One step of a plan: a call whose arguments are literals or come from earlier results."""

    name: str
    arguments: Mapping[str, Argument] = {}


class Intent(StrEnum):
    """What a turn wants of the message that closes it."""

    OPEN = "open"
    """Nothing is known: the message is not judged, as with tasks of outside data sets."""
    ANSWER = "answer"
    """The user asks: the message tells every value of `Turn.answer`."""
    REPORT = "report"
    """The user commands: the message says what was done, and claims nothing else."""
    CLARIFY = "clarify"
    """Something is missing: the message asks for what `Turn.answer` names."""
    DECLINE = "decline"
    """No tool on offer fits: the message says so."""


class Turn(Record):
    """What the user says, what a right player does about it, and what it says at the end."""

    user: str
    plan: tuple[PlannedCall, ...] = ()
    """Empty where the right answer is no call: abstention, a missing parameter, a missing function."""
    closing: str = "Done."
    """The message without a call that ends the turn. Where `answer` holds values, `{0}`, `{1}` … stand for them
    (`loop.plan.closing`)."""
    adds: tuple[str, ...] = ()
    """Names of tools that become available with this turn."""
    intent: Intent = Intent.OPEN
    answer: tuple[Argument, ...] = ()
    """ANSWER: the values to tell, literal or from results, each in any usual spelling. REPORT: values that `closing`
    names, without anybody having to. CLARIFY: words for what is missing, any of which will do. Empty otherwise."""
    session: str | None = None
    """The instruction with which a new conversation begins at this turn, where one does: the player hears nothing of
    what was said before, and only the world goes on. `{world}` in it stands for what the world shows of itself."""
    aside: bool = False
    """Whether that conversation leaves no trace: what it does to the world is undone when it ends."""


class Novelty(StrEnum):
    """What is new in a held-out task, besides its values: the parts of every suite and of every gate's result."""

    KNOWN = "known words"
    """Its sentences have frames that training uses."""
    WORDS = "new words"
    """Its sentences have frames of their own."""
    FAMILY = "unseen families"
    """Its family is never trained."""


LATER: Final[Mapping[str, JsonValue]] = {
    "novelty": None,
    "intent": "open",
    "answer": [],
    "session": None,
    "aside": False,
}
"""Fields that tasks did not have at first: a task without them keeps the identity that it had."""


class Task(Record):
    """User turns, the world they start in, the tools on offer, and the plan that solves them."""

    generator: Id
    family: Id
    tier: Tier
    seed: int
    backends: tuple[str, ...] = Field(min_length=1)
    initial: Mapping[str, JsonValue]
    """Initial state of every backend, in the backend's own words."""
    tools: tuple[str, ...]
    """Names of the tools offered from the first turn on, in the order in which they are shown."""
    turns: tuple[Turn, ...] = Field(min_length=1)
    split: Split = Split.TRAIN
    leak_group: str
    """Tasks of one leak group share a split."""
    source: str = ""
    """Where the task was not generated: the id in its data set."""
    novelty: Novelty | None = None
    """None where nobody says: training, and tasks of outside data sets."""

    @cached_property
    def id(self) -> str:
        """Sha256 of the content."""
        spelled = _without_later(self.model_dump(mode="json"))
        return digest(spelled | {"turns": [_without_later(turn) for turn in spelled["turns"]]})

    @property
    def plan(self) -> tuple[PlannedCall, ...]:
        """The reference program: every turn's calls, in order."""
        return tuple(call for turn in self.turns for call in turn.plan)

    @property
    def arm(self) -> "ArmKey":
        """The unit that the curriculum learns about."""
        return ArmKey(backends=self.backends, family=self.family, tier=self.tier)

    @property
    def entry(self) -> "Entry":
        """What a gate sees of it."""
        return Entry(task=self.id, backends=self.backends, family=self.family, tier=self.tier, novelty=self.novelty)


class Entry(Record):
    """One task of a suite, as a gate sees it."""

    task: str
    """`Task.id`."""
    backends: tuple[str, ...]
    family: str = ""
    tier: Tier
    novelty: Novelty | None = None


def _without_later(spelled: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spelled.items() if name not in LATER or value != LATER[name]}


class ArmKey(Record):
    """Backends, family, tier: the unit that the curriculum learns about."""

    backends: tuple[str, ...]
    family: Id
    tier: Tier

    def __str__(self) -> str:
        """Spell it as the command line and SQL do: `TradingBot+TravelAPI/quote/easy`."""
        return f"{'+'.join(self.backends)}/{self.family}/{self.tier}"


class Tool(Record):
    """One tool as it is offered: `parameters` is a JSON Schema (draft 2020-12) of type object."""

    name: str
    description: str
    parameters: Mapping[str, JsonValue]


class Catalogue(Record):
    """The tools that a player is offered, in order."""

    tools: tuple[Tool, ...] = ()

    @cached_property
    def id(self) -> str:
        """Sha256 of the content."""
        return digest(self.model_dump(mode="json"))

    def find(self, name: str) -> Tool | None:
        """Look a tool up by name."""
        return next((tool for tool in self.tools if tool.name == name), None)


class Result(Record):
    """What a tool answered. A tool's own error (`ok` false) is a result like any other: the player reads it."""

    ok: bool
    value: JsonValue
    """What the tool returned; for an error `{"error": "…"}`."""


class World(Protocol):
    """One play's private instances of one or more backends."""

    def call(self, call: Call) -> Result:
        """Run one call. Never raises for anything that a player may send: that is a `Result` with `ok` false."""
        ...

    def state(self) -> dict[str, JsonValue]:
        """Everything that later calls can depend on, per backend, comparable with ==."""
        ...

    @property
    def over(self) -> bool:
        """Whether the play ends with the calls that were made: a single-turn question is asked once."""
        ...


class TaskGenerator(Protocol):
    """Makes tasks of one domain. The same seed gives the same task on every platform."""

    @property
    def name(self) -> str:
        """The module's name."""
        ...

    @property
    def arms(self) -> tuple[ArmKey, ...]:
        """Everything that it can make."""
        ...

    def make(self, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
        """Make one task."""
        ...
