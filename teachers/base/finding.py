"""What a check of a teacher found."""

from typing import Literal

from loop.types import Record


class ProbeFinding(Record):
    """What a check found: one line for the operator."""

    name: str
    ok: bool
    detail: str
    weight: Literal["must", "should"] = "must"
    """Whether the teacher may be used all the same."""
