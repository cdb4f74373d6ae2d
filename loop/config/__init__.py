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
    StudentSettings,
    Teaching,
    Training,
)
from loop.config.sources import RESERVED, SettingSource, combine, environment, gather, load, origin, profiles, remember

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
    "SettingSource",
    "Storage",
    "StudentSettings",
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
