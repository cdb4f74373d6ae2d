"""One turn of the loop: its states and their moves, its arms, its dataset."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import Field, JsonValue

from loop.types.record import Record
from loop.types.tasks import ArmKey


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
    RoundState.SAMPLE: frozenset({RoundState.COLLECT, RoundState.TRAIN, RoundState.DONE, RoundState.FAILED}),
    RoundState.COLLECT: frozenset({RoundState.CHECK, RoundState.FAILED}),
    RoundState.CHECK: frozenset({RoundState.COLLECT, RoundState.TRAIN, RoundState.FAILED}),
    RoundState.TRAIN: frozenset({RoundState.GATE, RoundState.DONE, RoundState.FAILED}),
    RoundState.GATE: frozenset({RoundState.PROMOTE, RoundState.FAILED}),
    RoundState.PROMOTE: frozenset({RoundState.DONE, RoundState.FAILED}),
    RoundState.DONE: frozenset(),
    RoundState.FAILED: frozenset(),
}
"""Every legal life of a round."""


class Transition(Record):
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


class Spent(Record):
    """How some of the daemon's time was spent, in microseconds."""

    worked: int = 0
    """Somebody played, trained or measured."""
    waited: int = 0
    """Nothing might be done."""

    def since(self, before: "Spent") -> "Spent":
        """What came to it."""
        return Spent(worked=self.worked - before.worked, waited=self.waited - before.waited)


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


class TaskRequest(Record):
    """What the curriculum asks for: one task of an arm, by seed, and how often each side plays it."""

    arm: ArmKey
    seed: int
    samples: int = 4
    """The student's plays."""
    teacher: bool = False
    """Whether a teacher plays it too, without waiting for the student to fail."""


class Dataset(Record):
    """What a candidate is trained on: trajectory ids in order, with the count of every rule that chose or left out."""

    id: str
    """Sha256 over the rows and the rules."""
    rows: tuple[str, ...]
    counts: Mapping[str, int]
    rules: Mapping[str, JsonValue]


class TaskTally(Record):
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
