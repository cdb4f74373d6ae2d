"""What was played, kept whole, and what the checkers said of it."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import BIG, Big, Count, Key, Moment, Place, Serial, Table, one_of, strict, truth
from loop.types import End, Purpose


class Catalogue(Table):
    """A catalogue, once."""

    __tablename__ = "catalogue"
    __table_args__ = strict()
    id: Mapped[Key]
    tools: Mapped[int]
    body: Mapped[str]


class Prompt(Table):
    """A system prompt, once."""

    __tablename__ = "prompt"
    __table_args__ = strict()
    id: Mapped[Key]
    content: Mapped[str]


class Trajectory(Table):
    """One play, kept whole. Its id is its play's. `passed` is null until every required checker has judged it."""

    __tablename__ = "trajectory"
    __table_args__ = strict(
        ForeignKeyConstraint(["task", "split"], ["task.id", "task.split"]),
        UniqueConstraint("id", "split", "purpose"),
        Index(None, "round", "purpose", "passed", "policy"),
        Index(None, "task"),
        Index(None, "policy"),
        Index(None, "stored", "id"),
        one_of("ending", End),
        one_of("purpose", Purpose),
        truth("passed"),
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
    emptied: Mapped[int | None] = mapped_column(BIG)
    """When its messages and calls were deleted to make room."""


class Message(Table):
    """One message. `body` holds what `content` does not; a system prompt's text is in `prompt`."""

    __tablename__ = "message"
    __table_args__ = strict()
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
    __table_args__ = strict(Index(None, "tool"), truth("ok"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    place: Mapped[Place]
    turn: Mapped[int]
    message: Mapped[int]
    tool: Mapped[str]
    arguments: Mapped[str]
    ok: Mapped[int | None]
    result: Mapped[int | None]


class TrajectoryWords(Table):
    """The different words of a play, as `loop.store.words` spells them; `loop.store.word_index` finds them."""

    __tablename__ = "trajectory_words"
    __table_args__ = strict(
        Index("ix_trajectory_words_words", text("to_tsvector('simple', words)"), postgresql_using="gin").ddl_if(
            dialect="postgresql"
        ),
    )
    number: Mapped[Serial]
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), unique=True)
    words: Mapped[str]


class Verdict(Table):
    """What one checker at one version says of one trajectory."""

    __tablename__ = "verdict"
    __table_args__ = strict(truth("passed"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    checker: Mapped[Key]
    version: Mapped[Place]
    passed: Mapped[int]
    score: Mapped[float]
    reason: Mapped[str]
    evidence: Mapped[str]
    judged: Mapped[Moment]


class Audit(Table):
    """What came of judging a win again, and in a second world. `checker` is the one that it failed."""

    __tablename__ = "audit"
    __table_args__ = strict(Index(None, "round"), truth("passed"))
    trajectory: Mapped[str] = mapped_column(ForeignKey("trajectory.id"), primary_key=True)
    round: Mapped[int] = mapped_column(ForeignKey("round.id"))
    passed: Mapped[int]
    checker: Mapped[str | None]
    version: Mapped[int | None]
    reason: Mapped[str]
    audited: Mapped[Moment]


class RequiredChecker(Table):
    """The checkers, at their versions, that `trajectory.passed` rests on."""

    __tablename__ = "required_checker"
    __table_args__ = strict()
    name: Mapped[Key]
    version: Mapped[int]
