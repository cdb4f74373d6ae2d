"""Who plays: a base model with its adapter, prompt and template, and its place."""

from enum import StrEnum
from functools import cached_property

from pydantic import Field

from loop.canonical import digest
from loop.types.record import Id, Record


class Standing(StrEnum):
    """A policy's place."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"
    REJECTED = "rejected"
    RETIRED = "retired"
    SPECIALIST = "specialist"


class Precision(StrEnum):
    """What the weights are rounded to when they are served."""

    BASE = "base"
    """As the base model's directory has them: bfloat16 on a Mac."""
    EIGHT = "8bit"
    FOUR = "4bit"


class Policy(Record):
    """Base model + adapter + precision + prompt + template."""

    base: str
    """Digest of the base model's directory."""
    adapter: str | None = None
    """Digest of the adapter's manifest; None for the stock model."""
    system: str
    """The system prompt's text, before the catalogue."""
    template: Id
    """Name of the template that renders messages to tokens."""
    precision: Precision = Precision.BASE
    """Of the merged weights, in serving. Training always starts from the base as it is."""
    parent: str | None = Field(default=None, exclude=True)
    """`Policy.id` of the champion when this one was trained. No part of the identity."""

    @cached_property
    def id(self) -> str:
        """Sha256 of the content; the base's own precision is not named, as it was not before there was another."""
        unnamed = {"precision"} if self.precision is Precision.BASE else None
        return digest(self.model_dump(mode="json", exclude=unnamed))
