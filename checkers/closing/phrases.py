"""The English that closings are read by: `phrases.toml`, read when it is first needed."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def phrases() -> Mapping[str, Any]:
    """Give every list of the file by its name."""
    return tomllib.loads((files("checkers.closing") / "phrases.toml").read_text(encoding="utf-8"))


@cache
def any_of(name: str) -> re.Pattern[str]:
    """Give a list as one expression, whose alternatives begin and end where words do."""
    return re.compile(rf"\b(?:{'|'.join(phrases()[name])})(?:(?<=\s)|(?!\w))")


@cache
def words_of(name: str) -> frozenset[str]:
    """Give a list of words."""
    return frozenset(phrases()[name])


@cache
def claims_by_word() -> Mapping[str, frozenset[str]]:
    """Give, for each past form of an action, all words of its group."""
    groups = [group.split(" : ") for group in phrases()["actions"]]
    return {past: frozenset([*said.split(), *pasts.split()]) for said, pasts in groups for past in pasts.split()}


@cache
def opposites() -> tuple[frozenset[str], ...]:
    """Give the pairs of which one word denies the other."""
    return tuple(frozenset(pair.split("/")) for pair in phrases()["opposites"])
