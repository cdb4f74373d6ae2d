"""What is learned from it: arms, datasets, policies."""

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from loop.store.tables.base import Count, Key, Moment, Place, Table, one_of, strict, truth
from loop.types import Purpose, Split, Standing, Tier


class Arm(Table):
    """What the curriculum knows of one arm; `low` and `high` bound its pass rate at 95 %."""

    __tablename__ = "arm"
    __table_args__ = strict(one_of("tier", Tier), truth("frozen"))
    name: Mapped[Key]
    backends: Mapped[str]
    family: Mapped[str]
    tier: Mapped[str]
    alpha: Mapped[float]
    beta: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    plays: Mapped[Count]
    wins: Mapped[Count]
    last_round: Mapped[int | None]
    teacher_plays: Mapped[Count]
    at_promotion: Mapped[float | None]
    frozen: Mapped[int]
    weight: Mapped[float]
    rests_until: Mapped[int | None]
    body: Mapped[str]
    changed: Mapped[Moment]


class Dataset(Table):
    """What a candidate is trained on."""

    __tablename__ = "dataset"
    __table_args__ = strict()
    id: Mapped[Key]
    rows: Mapped[int]
    counts: Mapped[str]
    rules: Mapped[str]
    made: Mapped[Moment]


class DatasetRow(Table):
    """One row of a dataset. The checks and the key together let nothing in but training plays of training tasks."""

    __tablename__ = "dataset_row"
    __table_args__ = strict(
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
    left_out: Mapped[int | None]
    """1 where the training did not take it: too long, kept apart, or not chosen."""


class Policy(Table):
    """A policy and its place. At most one row is champion: the partial index refuses a second."""

    __tablename__ = "policy"
    __table_args__ = strict(
        Index(
            "uq_policy_champion",
            "standing",
            unique=True,
            sqlite_where=text("standing = 'champion'"),
            postgresql_where=text("standing = 'champion'"),
        ),
        one_of("standing", Standing),
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
    precision: Mapped[str | None]
    routing: Mapped[str | None]
    """Of a routed set: its specialists and when they answer, as canonical JSON."""


class Topics(Table):
    """What a routed set reads requests by; its id is the digest of its body."""

    __tablename__ = "topics"
    __table_args__ = strict()
    id: Mapped[Key]
    body: Mapped[str]
    added: Mapped[Moment]


class TrainingStep(Table):
    """One optimizer step of a round's training, as it was last taken."""

    __tablename__ = "training_step"
    __table_args__ = strict()
    round: Mapped[int] = mapped_column(ForeignKey("round.id"), primary_key=True)
    step: Mapped[Place]
    steps: Mapped[int]
    loss: Mapped[float]
    heldout_loss: Mapped[float | None]
    learning_rate: Mapped[float | None]
    tokens_per_second: Mapped[float | None]
    seconds_left: Mapped[float | None]
    peak_gb: Mapped[float | None]
    batch_tokens: Mapped[int | None]
    at: Mapped[Moment]
