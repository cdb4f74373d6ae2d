"""Who plays: a base model with its adapter, prompt and template, and its place."""

from enum import StrEnum
from functools import cached_property
from typing import Final

from pydantic import Field

from loop.canonical import digest
from loop.types.record import Id, Record

SET: Final = "set "
"""Begins the name by which people see a routed set."""


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


class Specialist(Record):
    """A member of a routed set, and what it answers."""

    topic: str
    """The backend that its requests are about."""
    policy: str
    """`Policy.id`."""


class Routing(Record):
    """How a routed set chooses who answers a request; everything else goes to its champion."""

    topics: str
    """Digest of what says what a request is about."""
    threshold: float = Field(ge=0, le=1)
    """Confidence from which a specialist answers."""
    specialists: tuple[Specialist, ...] = Field(min_length=1)
    """By topic."""


class Policy(Record):
    """Base model + adapter + precision + prompt + template; a routed set's are its champion's."""

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
    routing: Routing | None = None
    """Of a routed set: its specialists, and when they answer. None for a policy that answers everything itself."""

    @cached_property
    def id(self) -> str:
        """Sha256 of the content; what most policies have alike is not named, as it was not before there was another."""
        unnamed = {"precision"} if self.precision is Precision.BASE else set()
        unnamed |= {"routing"} if self.routing is None else set()
        return digest(self.model_dump(mode="json", exclude=unnamed))

    @property
    def alone(self) -> "Policy":
        """The policy without its specialists: a routed set's champion; of any other policy itself."""
        return self.model_copy(update={"routing": None}) if self.routing else self

    @property
    def shown(self) -> str:
        """What people see it named by: its adapter's digest, `set` and its id for a routed set, empty for the stock."""
        return f"{SET}{self.id}" if self.routing else self.adapter or ""

    @property
    def members(self) -> tuple[str, ...]:
        """Ids of the policies that answer: of a routed set its champion first, then its specialists."""
        specialists = self.routing.specialists if self.routing else ()
        return (self.alone.id, *dict.fromkeys(specialist.policy for specialist in specialists))
