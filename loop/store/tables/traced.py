"""Conversations that happened elsewhere, and what people said of answers."""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import Moment, Serial, Table, one_of, strict, truth


class CorrectionKind(StrEnum):
    """What a person did about an answer."""

    UP = "up"
    """It was right."""
    DOWN = "down"
    """It was wrong; nothing says what would have been right."""
    EDIT = "edit"
    """The answer, or a call, as it should have been."""
    RETRY = "retry"
    """It was asked again, and another answer was taken."""
    OVERRIDE = "override"
    """Something else was done than the answer said."""


class Trace(Table):
    """Where a trajectory of player `trace` comes from. `replaced` counts its personal data by kind.

    One that was made of another has that one as `origin`, says how in `arm`, and what was changed in `changes`.
    """

    __tablename__ = "trace"
    __table_args__ = strict(Index(None, "origin"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    format: Mapped[str]
    source: Mapped[str]
    line: Mapped[int]
    licence: Mapped[str]
    conversation: Mapped[str]
    speaker: Mapped[str]
    model: Mapped[str]
    happened: Mapped[Moment]
    replaced: Mapped[str]
    origin: Mapped[str | None] = mapped_column(ForeignKey("trajectory.id"))
    arm: Mapped[str]
    changes: Mapped[str]
    imported: Mapped[Moment]


class Correction(Table):
    """What a person said of an answer; never changed. `key` is the digest of what makes it unique."""

    __tablename__ = "correction"
    __table_args__ = strict(UniqueConstraint("key"), Index(None, "trajectory"), one_of("kind", CorrectionKind))
    id: Mapped[Serial]
    key: Mapped[str]
    trajectory: Mapped[str | None] = mapped_column(ForeignKey("trajectory.id"))
    place: Mapped[int | None]
    kind: Mapped[str]
    author: Mapped[str]
    note: Mapped[str]
    request: Mapped[str]
    body: Mapped[str]
    said: Mapped[Moment]


class CorrectionScore(Table):
    """Whether a policy has learned a correction: what it answers where the person corrected."""

    __tablename__ = "correction_score"
    __table_args__ = strict(truth("learned"))
    correction: Mapped[int] = mapped_column(ForeignKey("correction.id"), primary_key=True)
    policy: Mapped[str] = mapped_column(ForeignKey("policy.id"), primary_key=True)
    learned: Mapped[int]
    answer: Mapped[str]
    scored: Mapped[Moment]
