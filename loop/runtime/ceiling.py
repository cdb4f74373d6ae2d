"""The most memory that a child of the loop may take: said by the daemon, kept to by what plans batches and caches."""

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "LOOPD_CEILING"
"""Tells a child the bytes that it may take."""


def environment(gib: float | None) -> dict[str, str]:
    """Give the environment of a child that `given` reads; None sets no ceiling."""
    return {} if gib is None else {VARIABLE: str(int(gib * 2**30))}


def given(environ: Mapping[str, str]) -> int | None:
    """Read what the parent said; None where it said nothing."""
    said = environ.get(VARIABLE)
    return int(said) if said else None
