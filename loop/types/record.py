"""Frozen data, and what names it: the ground that every other record stands on."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from loop.redaction import redacted

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A name that may become a file name: no slash, no dot in front, no capital (macOS folds case)."""


class Record(BaseModel):
    """Frozen data with no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with changes; what the original derived from its content, such as an `id`, is derived anew."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[derived]
        return copied


class Part(Record):
    """A plug-in by name and its settings: `use` is a module name of its package, or `package.module:Class`."""

    use: str
    settings: Mapping[str, JsonValue] = {}


class ValidationFault(NamedTuple):
    """What a validation found first: where, what must be true, what was given instead."""

    place: str
    says: str
    given: str
    unknown: bool
    """Whether the place is no field at all."""

    def __str__(self) -> str:
        """Spell it for one line of an error."""
        return f"'{self.place}': {self.says}"


def first_fault(error: ValidationError) -> ValidationFault:
    """Say what a validation found first, in a form that fits one line."""
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    says = first["msg"].removeprefix("Value error, ")
    return ValidationFault(place, says, redacted(repr(first["input"]))[:80], first["type"] == "extra_forbidden")


def first_endless(tree: object, location: str = "") -> str | None:
    """Name the first number in a dumped record that is infinite or none at all; None where all are finite."""
    if isinstance(tree, float):
        return None if math.isfinite(tree) else location
    inside: Iterable[tuple[object, object]] = ()
    if isinstance(tree, Mapping):
        inside = tree.items()
    elif isinstance(tree, list | tuple):
        inside = enumerate(tree)
    names = (first_endless(value, f"{location}.{name}" if location else str(name)) for name, value in inside)
    return next(filter(None, names), None)
