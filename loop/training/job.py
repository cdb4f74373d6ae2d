"""Reading what a trainer is asked to do: a job and its rows, written by the daemon."""

from pathlib import Path

from pydantic import ValidationError

from loop.canonical import NotJson, digest, parse
from loop.errors import ConfigError
from loop.types import Catalogue, Message, Record
from loop.types.jobs import Job


def identity(job: Job) -> str:
    """Name what a fit's result depends on, rows included. How memory is spared only changes rounding."""
    settings = job.model_dump(
        mode="json", exclude={"out", "scratch", "rows", "save_every", "batch_tokens", "gradient_checkpointing"}
    )
    return digest({**settings, "content": digest(job.rows.read_text(encoding="utf-8"))})


class TrainingExample(Record):
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


def read_examples(path: Path) -> list[TrainingExample]:
    """Read a rows file.

    Raises:
        ConfigError: a line is no example; the message names it.
    """
    examples = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            examples.append(TrainingExample.model_validate(parse(line)))
        except (NotJson, ValidationError) as error:
            raise ConfigError(f"{path}, line {number} is no training row: {error}") from error
    return examples
