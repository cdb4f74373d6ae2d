"""What the GPU's child is asked to do, and every line that it may say about it: one JSON object a line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from loop.types.policies import Precision
from loop.types.record import Id, Record
from loop.types.rounds import TrainingStep

Weighing = Literal["trajectories", "tokens"]


class Recipe(Record):
    """How a candidate is fitted to a dataset. Lengths and budgets are in tokens."""

    fine_tune: Literal["lora", "full"] = "lora"
    """A low-rank adapter, or all weights: for small float32 models, with a learning rate of about a hundredth."""
    heldout: float = Field(default=0, ge=0, le=0.5)
    """Share of the rows that is kept apart to measure the loss on, at every checkpoint and at the end; what is
    published is then the step with the lowest. 0 measures nothing and publishes the last."""
    patience: int = Field(default=3, ge=1)
    """Measurements in a row without a new lowest loss before training stops."""
    rank: int = Field(default=16, ge=1)
    scale: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Multiplies the adapter's product, as in mlx-lm."""
    learning_rate: float = Field(default=5e-4, gt=0, allow_inf_nan=False)
    """AdamW's, without bias correction, as in mlx-lm: in a fit of some ten steps its moves are 3 to 6 times as large as
    the same figure gives elsewhere."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after its warm-up."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate climbs from nothing."""
    epochs: int = Field(default=2, ge=1)
    take: int | None = Field(default=None, ge=1)
    """Train on this many of the rows, once each, chosen step by step: half at random, half by what the model still gets
    wrong (`loop.training.needs`). None trains on all, `epochs` times."""
    batch_rows: int = Field(default=8, ge=1)
    """Rows of one optimizer step: fewer give more steps for the same work."""
    weigh: Weighing = "trajectories"
    """What counts alike in a step's loss: every trajectory, so that backends with long plays do not outweigh the
    others, or every learned token, as in mlx-lm's trainer."""
    max_tokens: int = Field(default=2048, ge=64)
    """A row longer than this is refused and counted."""
    batch_tokens: int = Field(default=4096, ge=64)
    """Tokens of a micro-batch, after sharing: this bounds memory."""
    save_every: int = Field(default=10, ge=1)
    """Steps between checkpoints: the most that a kill loses."""
    gradient_checkpointing: bool = False
    """Keep each block's input alone and compute the block again on the way back: a third slower, a fraction of the
    memory, the same gradient."""


class Job(Recipe):
    """One fit of an adapter to a dataset."""

    base: Path
    """Directory of the base model."""
    template: Id
    rows: Path
    """JSON lines `{"id", "messages", "catalogue"}`."""
    out: Path
    """Where the adapter goes, in mlx-lm's format."""
    scratch: Path
    """Where checkpoints go; a job that finds its own there goes on from it."""
    seed: int = 0
    run_rows: int | None = Field(default=None, ge=1)
    """Trajectories of one catalogue that stand together in a step: more share more, fewer mix better. None takes half
    a step, so that on two lanes each has a catalogue of its own and no prefix is computed twice."""
    lanes: int | None = Field(default=None, ge=1)
    """Micro-batches computed at once, each on one core; None takes what fits the machine."""

    @property
    def run(self) -> int:
        """Trajectories of one catalogue that stand together."""
        return self.run_rows or -(-self.batch_rows // 2)

    def climb(self, steps: int) -> int:
        """Of this many steps, those in which the learning rate climbs."""
        return max(1, round(self.warmup * steps))


class Began(Record):
    """The first line of a training: what it found and how it computes."""

    says: Literal["began"] = "began"
    rows: int
    heldout: int = 0
    refused: Mapping[str, int] = {}
    """Rows that were refused, by reason."""
    steps: int
    ranks: int = 1
    """Machines that train together."""
    engine: str
    why: str = ""
    """Why the engine is the plain one, where it is."""
    batch_tokens: int
    """Tokens of a micro-batch; no more than were asked for."""
    foreseen_gb: float | None = None
    """What it expects to hold, 10^9 bytes."""


class Stepped(TrainingStep):
    """One optimizer step, when it was taken."""

    says: Literal["step"] = "step"


class FitResult(Record):
    """The last line of a training."""

    says: Literal["done"] = "done"
    adapter: Path
    tensors: int
    step: int
    """The step whose weights were saved."""


class Halted(Record):
    """The last line of a job that waits for the loop's window: it gave its memory back. Given again, it goes on."""

    says: Literal["halted"] = "halted"


class Meter(Record):
    """Measure plays' distance to the base model."""

    base: Path
    adapter: Path | None = None
    precision: Precision = Precision.BASE
    template: Id
    rows: Path
    """JSON lines `{"id", "messages", "catalogue"}`."""


class Distance(Record):
    """How far one play is from the base model: the mean over its tokens of KL(policy || base), in nats."""

    says: Literal["distance"] = "distance"
    id: str
    kl: float = Field(ge=0, allow_inf_nan=False)
    tokens: int = Field(ge=0)


class MeasurementResult(Record):
    """The last line of a measurement."""

    says: Literal["done"] = "done"


TrainerLine = Annotated[Began | Stepped | FitResult | Halted, Field(discriminator="says")]
MeterLine = Annotated[Distance | MeasurementResult | Halted, Field(discriminator="says")]
