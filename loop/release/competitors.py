"""Other systems beside a release, each labelled by how far its figure compares.

Direct is a claim: the same fixture, prompt, metric and scorer, by digest. It is refused for anything less.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pydantic import Field

from loop.canonical import digest
from loop.errors import CheckNegative
from loop.types import Record


class Label(StrEnum):
    """How far another system's figure compares."""

    DIRECT = "Direct"
    """The same fixture, prompt, metric and scorer."""
    DIRECTIONAL = "Directional"
    """Useful context, measured in another way."""
    NOT_COMPARABLE = "Not comparable"
    """It explains what is aimed at; nothing was won or lost against it."""


class Setup(Record):
    """What makes two figures one comparison: sha256 digests, empty where nobody says."""

    fixture: str = ""
    """`Suite.id`."""
    prompt: str = ""
    """Of system prompt and template."""
    metric: str = ""
    """Of the metric's name."""
    scorer: str = ""
    """The fingerprint: checkers with their versions, rule and sampling."""


SETUP: Final = tuple(Setup.model_fields)


class Competitor(Record):
    """One row of the comparison file."""

    system: str = Field(min_length=1, max_length=200)
    metric: str = Field(max_length=200)
    score: str = Field(max_length=100)
    size: str = Field(default="", max_length=100)
    label: Label
    readout: str = Field(default="", max_length=1000)
    source: str = Field(default="", max_length=500)
    """Where the figure is from."""
    setup: Setup = Setup()


class Comparison(Record):
    """The file that `--compare` names."""

    competitors: tuple[Competitor, ...] = Field(default=(), max_length=500)


def prompt_digest(system: str, template: str) -> str:
    """Name a prompt by its content."""
    return digest({"system": system, "template": template})


def metric_digest(name: str) -> str:
    """Name a metric."""
    return digest({"metric": name})


def check(competitors: Sequence[Competitor], setups: Sequence[tuple[str, Setup]]) -> None:
    """Refuse a row that calls itself direct and was not measured in one of our own setups.

    Args:
        competitors: rows of the comparison file.
        setups: how the release itself was measured, by suite.

    Raises:
        CheckNegative: the first such row; it says which digests differ from the nearest setup.
    """
    for competitor in competitors:
        if competitor.label is Label.DIRECT and not any(_same(competitor.setup, mine) for _, mine in setups):
            raise CheckNegative(_why(competitor, setups))


def _why(row: Competitor, setups: Sequence[tuple[str, Setup]]) -> str:
    differ = {suite: [name for name in SETUP if _differs(row.setup, mine, name)] for suite, mine in setups}
    nearest = min(differ, key=lambda suite: len(differ[suite]), default=None)
    lacks = f"{', '.join(differ[nearest])} differ from suite {nearest}" if nearest else "nothing of ours was measured"
    return (
        f"'{row.system}' is not a Direct comparison: {lacks}. Measure it in the same setup and give its digests "
        "(evidence/suites.json has ours), or call it Directional."
    )


def _same(theirs: Setup, mine: Setup) -> bool:
    return not any(_differs(theirs, mine, name) for name in SETUP)


def _differs(theirs: Setup, mine: Setup, name: str) -> bool:
    return getattr(theirs, name) != getattr(mine, name) or not getattr(mine, name)
