"""The settings: what they are, where they are read from, and whether they can be used."""

from loop.config.examination import examine
from loop.config.settings import (
    Audit,
    Config,
    Gating,
    Notify,
    Outside,
    Plays,
    Refresh,
    Sampling,
    Storage,
    Student,
    Teaching,
    Training,
)
from loop.config.sources import RESERVED, Source, combine, environment, gather, load, origin, profiles, remember

__all__ = [
    "RESERVED",
    "Audit",
    "Config",
    "Gating",
    "Notify",
    "Outside",
    "Plays",
    "Refresh",
    "Sampling",
    "Source",
    "Storage",
    "Student",
    "Teaching",
    "Training",
    "combine",
    "environment",
    "examine",
    "gather",
    "load",
    "origin",
    "profiles",
    "remember",
]
