"""The frozen suites, what they share with training, and what is known against their tasks."""

from task_generators.suites.frozen import (
    BFCL,
    CANONICAL,
    FIRST_SEED,
    GENERATED,
    HAND_WRITTEN,
    MEMORY,
    OFFICIAL,
    RENDERED,
    SEALED,
    SINGLE,
    WRITTEN,
    grown,
    may_grow,
    names,
    suite,
    twin,
)

__all__ = [
    "BFCL",
    "CANONICAL",
    "FIRST_SEED",
    "GENERATED",
    "HAND_WRITTEN",
    "MEMORY",
    "OFFICIAL",
    "RENDERED",
    "SEALED",
    "SINGLE",
    "WRITTEN",
    "grown",
    "may_grow",
    "names",
    "suite",
    "twin",
]
