"""Rounds, tasks, and the plays that are owed."""

from enum import StrEnum

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import BIG, Big, Count, Key, Moment, Place, Serial, Table, one_of, strict, truth
from loop.types import Purpose, RoundState, Split, Tier


class PlayState(StrEnum):
    """Where a play is."""

    OWED = "owed"
    DONE = "done"
    """It has its trajectory."""
    DEAD = "dead"
    """A provider failed too often, or the play was given up. It counts for nobody and against nobody."""


class Round(Table):
    """One turn of the loop. Round 0 always exists: plays outside any round, such as `loopd suite run`."""

    __tablename__ = "round"
    __table_args__ = strict(Index(None, "dataset"), one_of("state", RoundState))
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


class StageTime(Table):
    """One stay of a round in a stage. Microseconds; `ended` is missing where the daemon was stopped or killed."""

    __tablename__ = "stage_time"
    __table_args__ = strict(Index(None, "round"), one_of("stage", RoundState))
    id: Mapped[Serial]
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    stage: Mapped[str]
    entered: Mapped[Moment]
    ended: Mapped[int | None] = mapped_column(BIG)
    worked: Mapped[Count]
    """Somebody played, trained or measured."""
    waited: Mapped[Count]
    """Nothing might be done: outside the loop's windows, or without room on the disk."""


class LeakGroup(Table):
    """A set of tasks that must share a split; the key below makes the database hold them to it."""

    __tablename__ = "leak_group"
    __table_args__ = strict(UniqueConstraint("name", "split"), one_of("split", Split))
    name: Mapped[Key]
    split: Mapped[str]


class Task(Table):
    """A task, by content."""

    __tablename__ = "task"
    __table_args__ = strict(
        ForeignKeyConstraint(["leak_group", "split"], ["leak_group.name", "leak_group.split"]),
        UniqueConstraint("id", "split"),
        Index(None, "arm"),
        Index(None, "split", "arm"),
        Index(None, "leak_group"),
        one_of("tier", Tier),
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
    novelty: Mapped[str | None]


class TaskBackend(Table):
    """Which backends a task uses, one a row."""

    __tablename__ = "task_backend"
    __table_args__ = strict(Index(None, "backend"))
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    backend: Mapped[Key]


class Defect(Table):
    """The soundness ledger: what is known against a task, and from where."""

    __tablename__ = "defect"
    __table_args__ = strict()
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    kind: Mapped[Key]
    source: Mapped[Key]
    note: Mapped[str]
    added: Mapped[Moment]


class Replay(Table):
    """Whether a task's own plan passes every required checker: the latest replay."""

    __tablename__ = "replay"
    __table_args__ = strict(truth("passed"))
    task: Mapped[str] = mapped_column(ForeignKey("task.id"), primary_key=True)
    passed: Mapped[int]
    reason: Mapped[str]
    replayed: Mapped[Moment]


class Play(Table):
    """One owed play. `key` is the digest of what makes it unique."""

    __tablename__ = "play"
    __table_args__ = strict(
        UniqueConstraint("key"),
        Index(None, "round", "purpose", "state", "position"),
        one_of("purpose", Purpose),
        one_of("state", PlayState),
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
    ended: Mapped[int | None] = mapped_column(BIG)
