"""The tables: columns, keys and constraints, no behaviour.

Times are integer microseconds since the epoch (UTC); words of an enumeration are checked text; booleans are 0 or 1.
Bodies are canonical JSON text (`loop.canonical`), byte for byte the same on SQLite and PostgreSQL. Composite foreign
keys carry `split` and `purpose` along, so the database itself refuses a held-out trajectory in a dataset (rule 4).
What needs more than a key is a trigger: `migrations/versions/0002_refusals.py`.
"""

from enum import StrEnum
from typing import Annotated, Final

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from loop.types import End, GateVerdict, Purpose, RoundState, Split, Standing, Tier

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class PlayState(StrEnum):
    """Where a play is."""

    OWED = "owed"
    DONE = "done"
    """It has its trajectory."""
    DEAD = "dead"
    """A provider failed too often, or the play was given up. It counts for nobody and against nobody."""


class Decision(StrEnum):
    """How a policy's standing was decided."""

    FIRST = "first"
    """The stock model, when there was no champion yet."""
    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLBACK = "rollback"


class CallState(StrEnum):
    """Where a paid call is."""

    SENT = "sent"
    """Reserved: counted at its reservation until it is settled, also after a crash."""
    SETTLED = "settled"


class Whole(TypeDecorator[int]):
    """An integer of any size, kept as text: a seed may be a digest."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - fixed by the base
        """Spell it."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - fixed by the base
        """Read it."""
        return None if value is None else int(value)


_BIG: Final = BigInteger().with_variant(Integer, "sqlite")
_REAL: Final[Double[float]] = Double().with_variant(REAL, "sqlite")

Key = Annotated[str, mapped_column(primary_key=True)]
Place = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
Serial = Annotated[int, mapped_column(primary_key=True, autoincrement=True)]
Moment = Annotated[int, mapped_column(_BIG)]
Count = Annotated[int, mapped_column(_BIG, default=0)]
Big = Annotated[int, mapped_column(Whole)]


class Table(DeclarativeBase):
    """What every table shares."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {str: Text, int: Integer, float: _REAL}


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    spelled = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} in ({spelled})", name=column)


def _truth(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} in (0, 1)", name=column)


def _strict(*constraints: CheckConstraint | ForeignKeyConstraint | Index | UniqueConstraint) -> tuple[object, ...]:
    return (*constraints, {"sqlite_strict": True})


# --- rounds and work -------------------------------------------------------------------------------------------------


class Round(Table):
    """One turn of the loop. Round 0 always exists: plays outside any round, such as `loopd suite run`."""

    __tablename__ = "round"
    __table_args__ = _strict(_one_of("state", RoundState))
    id: Mapped[Place]
    state: Mapped[str]
    seed: Mapped[Big]
    config: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None]
    dataset: Mapped[str | None] = mapped_column(ForeignKey("dataset.id"))
    candidate: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    started: Mapped[Moment]
    changed: Mapped[Moment]


class LeakGroup(Table):
    """A set of tasks that must share a split; the key below makes the database hold them to it."""

    __tablename__ = "leak_group"
    __table_args__ = _strict(UniqueConstraint("name", "split"), _one_of("split", Split))
    name: Mapped[Key]
    split: Mapped[str]


class Task(Table):
    """A task, by content."""

    __tablename__ = "task"
    __table_args__ = _strict(
        ForeignKeyConstraint(["leak_group", "split"], ["leak_group.name", "leak_group.split"]),
        UniqueConstraint("id", "split"),
        Index(None, "arm"),
        Index(None, "leak_group"),
        _one_of("tier", Tier),
    )
    id: Mapped[Key]
    generator: Mapped[str]
    family: Mapped[str]
    tier: Mapped[str]
    seed: Mapped[Big]
    arm: Mapped[str]
    backends: Mapped[str]
    split: Mapped[str]
    leak_group: Mapped[str]
    source: Mapped[str]
    turns: Mapped[int]
    planned_calls: Mapped[int]
    body: Mapped[str]
    added: Mapped[Moment]


class TaskBackend(Table):
    """Which backends a task uses, one a row."""

    __tablename__ = "task_backend"
    __table_args__ = _strict(Index(None, "backend"))
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    backend: Mapped[Key]


class Defect(Table):
    """The soundness ledger: what is known against a task, and from where."""

    __tablename__ = "defect"
    __table_args__ = _strict()
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    kind: Mapped[Key]
    source: Mapped[Key]
    note: Mapped[str]
    added: Mapped[Moment]


class Play(Table):
    """One owed play. `key` is the digest of what makes it unique."""

    __tablename__ = "play"
    __table_args__ = _strict(
        UniqueConstraint("key"),
        Index(None, "round", "purpose", "state", "position"),
        _one_of("purpose", Purpose),
        _one_of("state", PlayState),
    )
    id: Mapped[Key]
    key: Mapped[str]
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    position: Mapped[Count]
    purpose: Mapped[str]
    task: Mapped[str] = mapped_column(ForeignKey("task.id"))
    part: Mapped[str]
    player: Mapped[str]
    policy: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    suite: Mapped[str | None] = mapped_column(ForeignKey("suite.id"))
    system: Mapped[str] = mapped_column(ForeignKey("prompt.id"))
    sample: Mapped[int]
    seed: Mapped[Big]
    rule: Mapped[str]
    steps_per_turn: Mapped[int]
    state: Mapped[str] = mapped_column(default=PlayState.OWED)
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    failure_message: Mapped[str | None]
    retry_at: Mapped[float | None]
    owed: Mapped[Moment]
    ended: Mapped[int | None] = mapped_column(_BIG)


# --- what was played -------------------------------------------------------------------------------------------------


class Catalogue(Table):
    """A catalogue, once."""

    __tablename__ = "catalogue"
    __table_args__ = _strict()
    id: Mapped[Key]
    tools: Mapped[int]
    body: Mapped[str]


class Prompt(Table):
    """A system prompt, once."""

    __tablename__ = "prompt"
    __table_args__ = _strict()
    id: Mapped[Key]
    content: Mapped[str]


class Trajectory(Table):
    """One play, kept whole. Its id is its play's. `passed` is null until every required checker has judged it."""

    __tablename__ = "trajectory"
    __table_args__ = _strict(
        ForeignKeyConstraint(["task", "split"], ["task.id", "task.split"]),
        UniqueConstraint("id", "split", "purpose"),
        Index(None, "round", "purpose", "passed"),
        Index(None, "task"),
        Index(None, "policy"),
        _one_of("ending", End),
        _one_of("purpose", Purpose),
        _truth("passed"),
    )
    id: Mapped[str] = mapped_column(ForeignKey("play.id"), primary_key=True)
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    purpose: Mapped[str]
    task: Mapped[str]
    split: Mapped[str]
    player: Mapped[str]
    policy: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    suite: Mapped[str | None]
    sample: Mapped[int]
    seed: Mapped[Big]
    rule: Mapped[str]
    steps_per_turn: Mapped[int]
    catalogue: Mapped[str] = mapped_column(ForeignKey("catalogue.id"))
    ending: Mapped[str]
    passed: Mapped[int | None]
    turns: Mapped[int]
    calls: Mapped[int]
    digest: Mapped[str]
    requests: Mapped[Count]
    prompt_tokens: Mapped[Count]
    cached_tokens: Mapped[Count]
    completion_tokens: Mapped[Count]
    cost: Mapped[float]
    started: Mapped[Moment]
    seconds: Mapped[float]
    stored: Mapped[Moment]


class Message(Table):
    """One message. `body` holds what `content` does not; a system prompt's text is in `prompt`."""

    __tablename__ = "message"
    __table_args__ = _strict()
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    place: Mapped[Place]
    turn: Mapped[int]
    role: Mapped[str]
    prompt: Mapped[str | None] = mapped_column(ForeignKey("prompt.id"))
    content: Mapped[str]
    body: Mapped[str]


class ToolCall(Table):
    """One call of a trajectory; `result` is the place of the message that answered it."""

    __tablename__ = "tool_call"
    __table_args__ = _strict(Index(None, "tool"), _truth("ok"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    place: Mapped[Place]
    turn: Mapped[int]
    message: Mapped[int]
    tool: Mapped[str]
    arguments: Mapped[str]
    ok: Mapped[int | None]
    result: Mapped[int | None]


class Verdict(Table):
    """What one checker at one version says of one trajectory."""

    __tablename__ = "verdict"
    __table_args__ = _strict(_truth("passed"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    checker: Mapped[Key]
    version: Mapped[Place]
    passed: Mapped[int]
    score: Mapped[float]
    reason: Mapped[str]
    evidence: Mapped[str]
    judged: Mapped[Moment]


class RequiredChecker(Table):
    """The checkers, at their versions, that `trajectory.passed` rests on."""

    __tablename__ = "required_checker"
    __table_args__ = _strict()
    name: Mapped[Key]
    version: Mapped[int]


# --- what is learned -------------------------------------------------------------------------------------------------


class Arm(Table):
    """What the curriculum knows of one arm."""

    __tablename__ = "arm"
    __table_args__ = _strict(_one_of("tier", Tier))
    name: Mapped[Key]
    backends: Mapped[str]
    family: Mapped[str]
    tier: Mapped[str]
    alpha: Mapped[float]
    beta: Mapped[float]
    plays: Mapped[Count]
    wins: Mapped[Count]
    last_round: Mapped[int | None]
    teacher_plays: Mapped[Count]
    at_promotion: Mapped[float | None]
    body: Mapped[str]
    changed: Mapped[Moment]


class Dataset(Table):
    """What a candidate is trained on."""

    __tablename__ = "dataset"
    __table_args__ = _strict()
    id: Mapped[Key]
    rows: Mapped[int]
    counts: Mapped[str]
    rules: Mapped[str]
    made: Mapped[Moment]


class DatasetRow(Table):
    """One row of a dataset. The checks and the key together let nothing in but training plays of training tasks."""

    __tablename__ = "dataset_row"
    __table_args__ = _strict(
        ForeignKeyConstraint(
            ["trajectory", "split", "purpose"], ["trajectory.id", "trajectory.split", "trajectory.purpose"]
        ),
        CheckConstraint("split = 'train'", name="split"),
        CheckConstraint("purpose = 'train'", name="purpose"),
        Index(None, "trajectory"),
    )
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.id"), primary_key=True)
    place: Mapped[Place]
    trajectory: Mapped[str]
    split: Mapped[str] = mapped_column(default=Split.TRAIN)
    purpose: Mapped[str] = mapped_column(default=Purpose.TRAIN)


class Policy(Table):
    """A policy and its place. At most one row is champion: the partial index refuses a second."""

    __tablename__ = "policy"
    __table_args__ = _strict(
        Index(
            "uq_policy_champion",
            "standing",
            unique=True,
            sqlite_where=text("standing = 'champion'"),
            postgresql_where=text("standing = 'champion'"),
        ),
        _one_of("standing", Standing),
    )
    id: Mapped[Key]
    base: Mapped[str]
    adapter: Mapped[str | None]
    system: Mapped[str] = mapped_column(ForeignKey("prompt.id"))
    template: Mapped[str]
    parent: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    standing: Mapped[str]
    adapter_path: Mapped[str | None]
    round: Mapped[int | None]
    added: Mapped[Moment]
    changed: Mapped[Moment]


# --- how it is measured ----------------------------------------------------------------------------------------------


class Suite(Table):
    """A frozen set of held-out tasks."""

    __tablename__ = "suite"
    __table_args__ = _strict(Index(None, "name"))
    id: Mapped[Key]
    name: Mapped[str]
    tasks: Mapped[int]
    added: Mapped[Moment]


class SuiteTask(Table):
    """One task of a suite."""

    __tablename__ = "suite_task"
    __table_args__ = _strict(Index(None, "task"))
    suite: Mapped[str] = mapped_column(ForeignKey("suite.id"), primary_key=True)
    place: Mapped[Place]
    task: Mapped[str] = mapped_column(ForeignKey("task.id"))


class Opening(Table):
    """One opening of a sealed suite."""

    __tablename__ = "opening"
    __table_args__ = _strict(UniqueConstraint("suite", "policy", "round"))
    id: Mapped[Serial]
    suite: Mapped[str] = mapped_column(ForeignKey("suite.id"))
    policy: Mapped[str] = mapped_column(ForeignKey("policy.id"))
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    opened: Mapped[Moment]


class Score(Table):
    """One sample of one task of a suite. `subject` is a policy's id or a teacher's name."""

    __tablename__ = "score"
    __table_args__ = _strict(Index(None, "suite"), Index(None, "policy"), _truth("passed"))
    subject: Mapped[Key]
    suite: Mapped[str] = mapped_column(ForeignKey("suite.id"), primary_key=True)
    fingerprint: Mapped[Key]
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    sample: Mapped[Place]
    policy: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    passed: Mapped[int]
    measures: Mapped[str]
    trajectory: Mapped[str | None] = mapped_column(ForeignKey("trajectory.id"))
    scored: Mapped[Moment]


class GateResult(Table):
    """A gate's latest judgement of one candidate beside one champion."""

    __tablename__ = "gate_result"
    __table_args__ = _strict(Index(None, "round"), _one_of("verdict", GateVerdict), _truth("improved"))
    candidate: Mapped[str] = mapped_column(ForeignKey("policy.id"), primary_key=True)
    champion: Mapped[str] = mapped_column(ForeignKey("policy.id"), primary_key=True)
    gate: Mapped[Key]
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    verdict: Mapped[str]
    reason: Mapped[str]
    champion_rate: Mapped[float]
    candidate_rate: Mapped[float]
    difference: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    margin: Mapped[float]
    tasks: Mapped[int]
    samples: Mapped[int]
    improved: Mapped[int]
    body: Mapped[str]
    judged: Mapped[Moment]


class Promotion(Table):
    """Every decision about who is champion. `gates` is how many gates had to hold."""

    __tablename__ = "promotion"
    __table_args__ = _strict(UniqueConstraint("round", "candidate"), _one_of("decision", Decision))
    id: Mapped[Serial]
    round: Mapped[int | None] = mapped_column(ForeignKey("round.id"))
    candidate: Mapped[str] = mapped_column(ForeignKey("policy.id"))
    champion: Mapped[str | None] = mapped_column(ForeignKey("policy.id"))
    decision: Mapped[str]
    gates: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str]
    decided: Mapped[Moment]


class GatePause(Table):
    """A paused gate. While there is a row, nothing is promoted."""

    __tablename__ = "gate_pause"
    __table_args__ = _strict()
    gate: Mapped[Key]
    reason: Mapped[str]
    paused: Mapped[Moment]


# --- running it ------------------------------------------------------------------------------------------------------


class TeacherCall(Table):
    """One paid call: reserved before it is sent, settled after."""

    __tablename__ = "teacher_call"
    __table_args__ = _strict(Index(None, "teacher", "reserved"), Index(None, "round"), _one_of("state", CallState))
    id: Mapped[Serial]
    teacher: Mapped[str]
    round: Mapped[int | None] = mapped_column(ForeignKey("round.id"))
    play: Mapped[str | None] = mapped_column(ForeignKey("play.id"))
    state: Mapped[str] = mapped_column(default=CallState.SENT)
    outcome: Mapped[str | None]
    requests: Mapped[Count]
    prompt_tokens: Mapped[Count]
    cached_tokens: Mapped[Count]
    completion_tokens: Mapped[Count]
    cost: Mapped[float]
    reserved: Mapped[Moment]
    settled: Mapped[int | None] = mapped_column(_BIG)


class Quota(Table):
    """A credential that must wait."""

    __tablename__ = "quota"
    __table_args__ = _strict()
    credential: Mapped[Key]
    until: Mapped[float]
    failures: Mapped[int]
    reason: Mapped[str]
    changed: Mapped[Moment]


class Lease(Table):
    """Who may write. A higher epoch makes every earlier owner's writes fail."""

    __tablename__ = "lease"
    __table_args__ = _strict()
    name: Mapped[Key]
    owner: Mapped[str]
    epoch: Mapped[int]
    expires: Mapped[Moment]


class Event(Table):
    """What happened, for people and for other programs to follow."""

    __tablename__ = "event"
    __table_args__ = _strict(Index(None, "kind"))
    id: Mapped[Serial]
    at: Mapped[Moment]
    kind: Mapped[str]
    fields: Mapped[str]
