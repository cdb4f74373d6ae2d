"""What a trainer is asked to do: one JSON file, written by the daemon."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from loop.canonical import NotJson, digest, parse
from loop.errors import ConfigError
from loop.training.masks import Weighing
from loop.types import Catalogue, Id, Message, Record


class Job(Record):
    """One fit of a low-rank adapter to a dataset. Lengths and budgets are in tokens."""

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
    fine_tune: Literal["lora", "full"] = "lora"
    """A low-rank adapter, or all weights: for small float32 models, with a learning rate of about a hundredth."""
    heldout: float = Field(default=0, ge=0, le=0.5)
    """Share of the rows that is kept apart to measure the loss on, at every checkpoint and at the end; what is
    published is then the step with the lowest. 0 measures nothing and publishes the last."""
    patience: int = Field(default=3, ge=1)
    """Measurements in a row without a new lowest loss before training stops."""
    rank: int = Field(default=16, ge=1)
    scale: float = Field(default=2.0, gt=0)
    """Multiplies the adapter's product, as in mlx-lm."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """AdamW's, without bias correction, as in mlx-lm: in a fit of some ten steps its moves are 3 to 6 times as large as
    the same figure gives elsewhere."""
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate climbs from nothing."""
    epochs: int = Field(default=2, ge=1)
    take: int | None = Field(default=None, ge=1)
    """Train on so many of the rows, once each, chosen step by step: half by lot, half by what the model still gets
    wrong (`loop.training.needs`). None trains on all, `epochs` times."""
    batch_rows: int = Field(default=8, ge=1)
    """Trajectories of one optimizer step."""
    run_rows: int | None = Field(default=None, ge=1)
    """Trajectories of one catalogue that stand together in a step: more share more, fewer mix better. None takes half
    a step, so that on two lanes each has a catalogue of its own and no prefix is computed twice."""
    weigh: Weighing = "trajectories"
    """What counts alike in a step's loss: every trajectory, so that backends with long plays do not outweigh the
    others, or every learned token, as in mlx-lm's trainer."""
    batch_tokens: int = Field(default=4096, ge=64)
    """Tokens of a micro-batch, after sharing: this bounds memory."""
    max_tokens: int = Field(default=2048, ge=64)
    """A row longer than this is refused and counted."""
    save_every: int = Field(default=10, ge=1)
    """Steps between checkpoints: at most so many are lost by a kill."""
    gradient_checkpointing: bool = False
    """Keep each block's input alone and compute the block again on the way back: a third slower, a fraction of the
    memory, the same gradient."""
    lanes: int | None = Field(default=None, ge=1)
    """Micro-batches computed at once, each on one core; None takes what fits the machine."""

    @property
    def run(self) -> int:
        """Trajectories of one catalogue that stand together."""
        return self.run_rows or -(-self.batch_rows // 2)

    def climb(self, steps: int) -> int:
        """Of so many steps, those in which the learning rate climbs."""
        return max(1, round(self.warmup * steps))

    @property
    def digest(self) -> str:
        """Name what the result depends on, rows included. How memory is spared only changes rounding."""
        told = self.model_dump(
            mode="json", exclude={"out", "scratch", "rows", "save_every", "batch_tokens", "gradient_checkpointing"}
        )
        return digest({**told, "content": digest(self.rows.read_text(encoding="utf-8"))})


class Example(Record):
    """One line of the rows file."""

    id: str
    messages: tuple[Message, ...]
    catalogue: Catalogue

    @property
    def group(self) -> str:
        """Name what the rows of one catalogue and system prompt begin with."""
        return digest([self.catalogue.id, *(m.content for m in self.messages[:1] if m.role == "system")])


def read_job(path: Path) -> Job:
    """Read a job.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return Job.model_validate(parse(path.read_bytes()))
    except (OSError, NotJson, ValidationError) as error:
        raise ConfigError(f"{path} is no training job: {error}") from error


def read_examples(path: Path) -> list[Example]:
    """Read a rows file.

    Raises:
        ConfigError: a line is no example; the message names it.
    """
    examples = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            examples.append(Example.model_validate(parse(line)))
        except (NotJson, ValidationError) as error:
            raise ConfigError(f"{path}, line {number} is no training row: {error}") from error
    return examples
