"""x."""

from typing import Any

from teachers._teacher import Finding


def examine(teacher: Any) -> tuple[Finding, ...]:
    """X."""
    return ()
