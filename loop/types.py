"""The vocabulary: frozen records that cross boundaries, and the protocols that parts fulfil. Read this second.

A record carries data only. It is picklable, hashable by content, and safe to send to a worker or to store.
Identity is content: `Task.id`, `Catalogue.id` and `Policy.id` are digests, so resuming, removing doubles and finding
leaks are one comparison.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from loop.canonical import digest
from loop.errors import FailureKind

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A name that may become a file name: no slash, no dot in front, no capital (macOS folds case)."""


class Record(BaseModel):
    """Frozen data with no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with changes; what the original derived from its content, such as an `id`, is derived anew."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[derived]
        return copied


class Part(Record):
    """A plug-in by name and its settings: `use` is a module name of its package, or `package.module:Class`."""

    use: str
    settings: Mapping[str, JsonValue] = {}


# --- tasks -----------------------------------------------------------------------------------------------------------


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
    """The message without a call that ends the turn."""
    adds: tuple[str, ...] = ()
    """Names of tools that become available with this turn."""
    intent: Intent = Intent.OPEN
    answer: tuple[Argument, ...] = ()
    """ANSWER: the values to tell, literal or from results, each in any usual spelling. CLARIFY: words for what is
    missing, any of which will do. Empty otherwise."""


class Novelty(StrEnum):
    """What is new in a held-out task, besides its values: the parts of every suite and of every gate's result."""

    KNOWN = "known words"
    """Its sentences have frames that training uses."""
    WORDS = "new words"
    """Its sentences have frames of their own."""
    FAMILY = "unseen families"
    """Its family is never trained."""


LATER: Final[Mapping[str, JsonValue]] = {"novelty": None, "intent": "open", "answer": []}
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


# --- plays -----------------------------------------------------------------------------------------------------------


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


# --- verdicts --------------------------------------------------------------------------------------------------------


class Verdict(Record):
    """What one checker at one version says of one trajectory."""

    checker: Id
    version: int
    passed: bool
    score: float = Field(ge=0, le=1)
    reason: str
    """Why, in a sentence that names the turn and the call."""
    evidence: Mapping[str, JsonValue] = {}
    """Findings that a query may ask for: per argument where its value came from, and the like."""


class Checker(Protocol):
    """Judges a trajectory. A frozen pydantic model; a changed judgement needs a new `version`."""

    @property
    def name(self) -> str:
        """The name in the store."""
        ...

    @property
    def version(self) -> int:
        """Bumped with every change of judgement: old trajectories are then owed a new verdict."""
        ...

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge one trajectory; never raises for anything that a player may have done."""
        ...


class Referee(Checker, Protocol):
    """A checker that can tell from a play's first turns that it fails, whatever its other turns bring."""

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether one of the turns that were played fails the play already."""
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


# --- policies, suites, gates -----------------------------------------------------------------------------------------


class Standing(StrEnum):
    """A policy's place."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"
    REJECTED = "rejected"
    RETIRED = "retired"
    SPECIALIST = "specialist"


class Precision(StrEnum):
    """What the weights are rounded to when they are served."""

    BASE = "base"
    """As the base model's directory has them: bfloat16 on a Mac."""
    EIGHT = "8bit"
    FOUR = "4bit"


class Policy(Record):
    """Base model + adapter + precision + prompt + template."""

    base: str
    """Digest of the base model's directory."""
    adapter: str | None = None
    """Digest of the adapter's manifest; None for the stock model."""
    system: str
    """The system prompt's text, before the catalogue."""
    template: Id
    """Name of the template that renders messages to tokens."""
    precision: Precision = Precision.BASE
    """Of the merged weights, in serving. Training always starts from the base as it is."""
    parent: str | None = Field(default=None, exclude=True)
    """`Policy.id` of the champion when this one was trained. No part of the identity."""

    @cached_property
    def id(self) -> str:
        """Sha256 of the content; the base's own precision is not named, as it was not before there was another."""
        unnamed = {"precision"} if self.precision is Precision.BASE else None
        return digest(self.model_dump(mode="json", exclude=unnamed))


class Suite(Record):
    """A frozen set of held-out tasks."""

    name: Id
    tasks: tuple[Task, ...]
    checkers: tuple[Part, ...] = ()
    """Checkers that judge its plays in place of the configured ones; empty for those. Part of every measurement's
    fingerprint, not of the identity."""

    @cached_property
    def id(self) -> str:
        """Sha256 over the name and the tasks' ids, in order."""
        return digest([self.name, *(task.id for task in self.tasks)])


class Score(Record):
    """One sample of one task of a suite by one policy."""

    task: str
    backends: tuple[str, ...]
    family: str = ""
    tier: Tier
    novelty: Novelty | None = None
    sample: int
    passed: bool
    measures: Mapping[str, float] = {}
    """What else was measured on this play: completion `tokens`, `kl` to the base in nats a token."""


class GateVerdict(StrEnum):
    """What a gate says. Only HOLDS promotes."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"


class GatePart(Record):
    """One comparison inside a gate: one backend, one category, one measure. In the unit of what it compares."""

    name: str
    verdict: GateVerdict
    champion_rate: float
    candidate_rate: float
    difference: float
    low: float
    high: float
    """The two-sided 95 % interval of the difference."""
    bound: float
    """The one-sided bound that was held against the margin, at the error that this look may spend."""
    margin: float
    tasks: int
    samples: int
    """Plays a task, of each policy, behind the rates and the interval."""
    look: int
    """Plays a task, of each policy, at the look that decided, or at the last one; 0 before any."""
    spent: float = 0.0
    """One-sided error that this look may spend."""
    left: float = 0.0
    """One-sided error that is kept for the looks after it."""
    unit: str = "rate"
    """What the figures count, where they are no pass rates."""


TWIN = "-sealed"
"""Ends the name under which a gate's sealed twin is judged."""


class GateResult(Record):
    """A gate's judgement of one candidate beside one champion, with what it rests on. Rates lie in 0..1."""

    gate: Id
    verdict: GateVerdict
    reason: str
    champion_rate: float
    candidate_rate: float
    difference: float
    """Candidate minus champion, paired by task."""
    low: float
    high: float
    """The two-sided 95 % interval of the difference."""
    margin: float
    tasks: int
    samples: int
    """Plays a task, of each policy."""
    improved: bool = False
    """Whether the candidate is better beyond doubt."""
    wants: tuple[str, ...] = ()
    """Task ids that should be played more often before deciding; empty unless inconclusive."""
    may_improve: tuple[str, ...] = ()
    """Holds, and more plays of these task ids could still show that the candidate is better."""
    next_samples: int = 0
    """Plays a task, of each policy, that `wants` or `may_improve` should reach; 0 where neither asks."""
    plays: int = 0
    """Plays that the judgement rests on, both policies together."""
    parts: tuple[GatePart, ...] = ()
    """Every comparison that was made, the one over all tasks first."""
    chance: float = 1.0
    """The one-sided p value of "the candidate is no better"."""
    spent: float = 0.0
    """The error that `chance` was held against, for `improved`."""
    attempt: int = 1
    """Candidates judged since the last promotion, this one counted."""
    left: float = 0.0
    """The error of a false improvement that is kept for all later candidates together."""
    candidate: str = ""
    """`Policy.id` of the candidate."""
    champion: str = ""
    """`Policy.id` of the champion that it was measured beside."""
    suite: str = ""
    """Name of the suite."""
    suite_id: str = ""
    """`Suite.id`."""
    fingerprint: str = ""
    """What makes scores comparable: suite, checkers, rule, sampling."""
    rules: tuple[GatePart, ...] = ()
    """The same plays under every rule that they can tell of, the one that judged first; for comparison only."""

    @property
    def decides(self) -> bool:
        """Whether a promotion rests on it: a sealed twin is opened afterwards, and decides nothing."""
        return not self.gate.endswith(TWIN)


class Gate(Protocol):
    """Judges a candidate beside the champion on a suite. A frozen pydantic model."""

    @property
    def name(self) -> str:
        """The name in the store."""
        ...

    @property
    def suite(self) -> str:
        """Name of the suite that it measures on."""
        ...

    def attempted(self, number: int) -> "Gate":
        """Return this gate for the `number`-th candidate since the last promotion: error is spent over attempts."""
        ...

    def within(self, most: int) -> "Gate":
        """Return this gate for `most` plays a task of each policy: error is spent over the looks there will be."""
        ...

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score]) -> GateResult:
        """Judge paired scores: the same tasks, samples and rule for both."""
        ...


# --- rounds ----------------------------------------------------------------------------------------------------------


class RoundState(StrEnum):
    """Where a round is."""

    SAMPLE = "sample"
    COLLECT = "collect"
    CHECK = "check"
    TRAIN = "train"
    GATE = "gate"
    PROMOTE = "promote"
    DONE = "done"
    FAILED = "failed"


MOVES: Mapping[RoundState, frozenset[RoundState]] = {
    RoundState.SAMPLE: frozenset({RoundState.COLLECT, RoundState.FAILED}),
    RoundState.COLLECT: frozenset({RoundState.CHECK, RoundState.FAILED}),
    RoundState.CHECK: frozenset({RoundState.COLLECT, RoundState.TRAIN, RoundState.FAILED}),
    RoundState.TRAIN: frozenset({RoundState.GATE, RoundState.DONE, RoundState.FAILED}),
    RoundState.GATE: frozenset({RoundState.PROMOTE, RoundState.FAILED}),
    RoundState.PROMOTE: frozenset({RoundState.DONE, RoundState.FAILED}),
    RoundState.DONE: frozenset(),
    RoundState.FAILED: frozenset(),
}
"""Every legal life of a round."""


class Move(Record):
    """Where a stage sends its round, and why where that is no matter of course."""

    state: RoundState
    reason: str | None = None


class Round(Record):
    """One turn of the loop."""

    id: int
    state: RoundState
    seed: int
    config: str
    """Digest of the configuration that the round began with."""
    attempts: int = 0
    """How often the present stage was entered."""
    reason: str | None = None

    def moved(self, state: RoundState) -> Self:
        """The round after a move."""
        return self.model_copy(update={"state": state, "attempts": 0})


class Arm(Record):
    """What the curriculum knows of one arm: a decayed Beta posterior of the student's pass rate."""

    key: ArmKey
    alpha: float = 1.0
    beta: float = 1.0
    plays: int = 0
    wins: int = 0
    last_round: int | None = None
    """The round that played it last; None when never."""
    teacher_plays: int = 0
    at_promotion: float | None = None
    """The pass rate when the present champion was promoted."""
    inherited: bool = False
    """Whether all that is known of it comes from predecessors: the present champion has not played it yet."""
    barren: int = 0
    """Rounds in a row in which all its plays were lost to infrastructure, though others' were not."""
    rests_until: int | None = None
    """The round that tries it again, where it is parked for being barren."""
    frozen: bool = False
    """The operator wants no more of it. A backend's floor is kept all the same."""
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The operator's factor on how often it is drawn."""

    @property
    def rate(self) -> float:
        """Posterior mean of the pass rate."""
        return self.alpha / (self.alpha + self.beta)


class Request(Record):
    """What the curriculum asks for: one task of an arm, by seed, and how often each side plays it."""

    arm: ArmKey
    seed: int
    samples: int = 4
    """The student's plays."""
    teacher: bool = False
    """Whether a teacher plays it too, without waiting for the student to fail."""


class Accepted(Record):
    """A trajectory that every required checker accepted at its current version."""

    id: str
    task: Task
    trajectory: Trajectory


class Asked(Record):
    """A turn that a student's play came to, and whether it did there what was asked."""

    turn: Turn
    right: bool


class Dataset(Record):
    """What a candidate is trained on: trajectory ids in order, with the count of every rule that chose or left out."""

    id: str
    """Sha256 over the rows and the rules."""
    rows: tuple[str, ...]
    counts: Mapping[str, int]
    rules: Mapping[str, JsonValue]


class Promotion(Record):
    """The end of a round: whether the candidate became champion, and why."""

    candidate: str
    promoted: bool
    reason: str


# --- what the store counts -------------------------------------------------------------------------------------------


class Tally(Record):
    """How one task of a round went so far. A win is a trajectory that every required checker accepted."""

    task: str
    arm: ArmKey
    student_plays: int
    student_wins: int
    teacher_plays: int
    teacher_wins: int


class Rate(Record):
    """Plays and wins of one player on one backend."""

    backend: str
    player: str
    policy: str | None
    plays: int
    wins: int


class Transfer(Record):
    """What training on one backend did to another: one row of `v_transfer`. Rates lie in 0..1."""

    trained_backend: str
    trained_rows: int
    evaluated_backend: str
    suite: str
    tasks: int
    pass_rate: float
    parent_pass_rate: float | None
    difference: float | None
    """Candidate minus parent, under the same fingerprint."""


class TrainingStep(Record):
    """One optimizer step of a training."""

    step: int = Field(ge=1)
    steps: int = Field(ge=1)
    """Of the whole training."""
    loss: float
    """Mean cross-entropy of the step's learned tokens, weighted as the training weighs them, before the step."""
    heldout_loss: float | None = None
    """The same over the rows kept apart, after the step, where it was measured."""
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    """Tokens of whole rows, before sharing, since this process began."""
    seconds_left: float | None = None
    peak_gb: float | None = None
    """Most memory that MLX held so far, 10^9 bytes."""
    batch_tokens: int | None = None
    """Tokens that went through the model at once, at most."""


class Event(Record):
    """Something that happened."""

    id: int
    at: int
    """Microseconds since the epoch."""
    kind: str
    fields: Mapping[str, JsonValue] = {}
