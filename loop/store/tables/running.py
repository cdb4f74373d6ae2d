"""What running it needs: paid calls, waits, leases, events."""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import BIG, Count, Key, Moment, Serial, Table, one_of, strict


class CallState(StrEnum):
    """Where a paid call is."""

    SENT = "sent"
    """Reserved: counted at its reservation until it is settled, also after a crash."""
    SETTLED = "settled"


class TeacherCall(Table):
    """One paid call: reserved before it is sent, settled after."""

    __tablename__ = "teacher_call"
    __table_args__ = strict(Index(None, "teacher", "reserved"), Index(None, "round"), one_of("state", CallState))
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
    settled: Mapped[int | None] = mapped_column(BIG)


class Quota(Table):
    """A credential that must wait."""

    __tablename__ = "quota"
    __table_args__ = strict()
    credential: Mapped[Key]
    until: Mapped[float]
    failures: Mapped[int]
    reason: Mapped[str]
    changed: Mapped[Moment]


class Lease(Table):
    """Who may write. A higher epoch makes every earlier owner's writes fail."""

    __tablename__ = "lease"
    __table_args__ = strict()
    name: Mapped[Key]
    owner: Mapped[str]
    epoch: Mapped[int]
    expires: Mapped[Moment]


class Event(Table):
    """What happened, for people and for other programs to follow."""

    __tablename__ = "event"
    __table_args__ = strict(Index(None, "kind"))
    id: Mapped[Serial]
    at: Mapped[Moment]
    kind: Mapped[str]
    fields: Mapped[str]
