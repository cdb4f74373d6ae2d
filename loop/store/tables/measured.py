"""How policies are measured, and who becomes champion."""

from enum import StrEnum

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import Key, Moment, Place, Serial, Table, one_of, strict, truth
from loop.types import GateVerdict


class Decision(StrEnum):
    """How a policy's standing was decided."""

    FIRST = "first"
    """The stock model, when there was no champion yet."""
    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLBACK = "rollback"


class Suite(Table):
    """A frozen set of held-out tasks."""

    __tablename__ = "suite"
    __table_args__ = strict(Index(None, "name"))
    id: Mapped[Key]
    name: Mapped[str]
    tasks: Mapped[int]
    added: Mapped[Moment]


class SuiteTask(Table):
    """One task of a suite."""

    __tablename__ = "suite_task"
    __table_args__ = strict(Index(None, "task"))
    suite: Mapped[str] = mapped_column(ForeignKey("suite.id"), primary_key=True)
    place: Mapped[Place]
    task: Mapped[str] = mapped_column(ForeignKey("task.id"))


class Growth(Table):
    """How many times as large as its name says a suite is drawn, because the champion failed too little of it."""

    __tablename__ = "growth"
    __table_args__ = strict()
    suite: Mapped[Key]
    times: Mapped[int]
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    reason: Mapped[str]
    grown: Mapped[Moment]


class Opening(Table):
    """One opening of a sealed suite."""

    __tablename__ = "opening"
    __table_args__ = strict(UniqueConstraint("suite", "policy", "round"))
    id: Mapped[Serial]
    suite: Mapped[str] = mapped_column(ForeignKey("suite.id"))
    policy: Mapped[str] = mapped_column(ForeignKey("policy.id"))
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    opened: Mapped[Moment]


class Score(Table):
    """One sample of one task of a suite. `subject` is a policy's id or a teacher's name."""

    __tablename__ = "score"
    __table_args__ = strict(Index(None, "suite"), Index(None, "policy"), truth("passed"))
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
    __table_args__ = strict(Index(None, "round"), one_of("verdict", GateVerdict), truth("improved"))
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
    plays: Mapped[int | None]


class GatePart(Table):
    """One comparison inside a judgement; `beside` names the policy it is with, where that is not the champion."""

    __tablename__ = "gate_part"
    __table_args__ = strict(
        ForeignKeyConstraint(
            ["candidate", "champion", "gate"],
            ["gate_result.candidate", "gate_result.champion", "gate_result.gate"],
        ),
        one_of("verdict", GateVerdict),
        truth("decides"),
    )
    candidate: Mapped[Key]
    champion: Mapped[Key]
    gate: Mapped[Key]
    place: Mapped[Place]
    part: Mapped[str]
    verdict: Mapped[str]
    decides: Mapped[int]
    champion_rate: Mapped[float]
    candidate_rate: Mapped[float]
    difference: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    bound: Mapped[float]
    margin: Mapped[float]
    tasks: Mapped[int]
    samples: Mapped[int]
    unit: Mapped[str]
    beside: Mapped[str | None]


class Promotion(Table):
    """Every decision about who is champion. `gates` is how many gates had to hold."""

    __tablename__ = "promotion"
    __table_args__ = strict(UniqueConstraint("round", "candidate"), one_of("decision", Decision))
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
    __table_args__ = strict()
    gate: Mapped[Key]
    reason: Mapped[str]
    paused: Mapped[Moment]
