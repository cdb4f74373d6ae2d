"""The rules by which a candidate's rows are chosen: the settings under `[training.mix]`."""

from typing import Literal

from pydantic import Field

from loop.types import Record, Split


class MixRules(Record):
    """Which accepted trajectories a candidate learns from."""

    max_rows: int = Field(default=240, ge=1)
    """Rows in all: what a round has time to train on, or what it chooses from as it trains (`training.take`)."""
    even: Literal["rows", "said"] = "rows"
    """What backends get alike: rows, or what is said in them. Where every token weighs alike (`training.weigh`), rows
    alike give the backends with long calls the most weight, and the time."""
    max_per_task: int = Field(default=4, ge=1)
    """Wins of one task: more only teach its literals by heart (RFT, Yuan et al. 2023, gains from distinct paths)."""
    near_duplicate: float = Field(default=0.9, gt=0, le=1)
    """Two rows of one arm whose text is as alike as this (Jaccard) are one; 1 keeps all but the same calls."""
    own_share: float = Field(default=0.7, ge=0, le=1)
    """The student's own wins, at least, where there are enough: what it would say itself moves it least from what it
    can do (Shenfeld et al. 2025, on-policy data forgets less)."""
    rehearsal_share: float = Field(default=0.3, ge=0, le=1)
    """Rows of what the student can do already (arms that it wins at least `mastered` of), so that it keeps it."""
    mastered: float = Field(default=0.7, ge=0, le=1)
    """The share of own wins among an arm's accepted rows from which on it counts as something that it can do."""
    repair_share: float = Field(default=0.25, ge=0, le=1)
    """Of a task's places, those that go first to wins that met an error and recovered: shortest alone would never
    show the student what to do after one."""
    hard_share: float = Field(default=0.3, ge=0, le=1)
    """Of a backend's places, those kept for the hard and veryhard tiers, which have few wins and long rows."""
    newest_share: float = Field(default=0.5, ge=0, le=1)
    """Of an arm's places, those that go to its newest wins; the others come from all of its past, so that the latest
    rounds are always there and never alone."""
    cover: bool = True
    """Those others are wins whose requests have least of their share yet, so that every way to ask is shown as often
    as among all that was accepted (`loop.dataset.coverage`); otherwise they are drawn."""
    stress: float = Field(default=3.0, ge=0)
    """How many times its share, beyond once, a way to ask gets by `cover` that the champion always gets wrong."""
    least_need: float = Field(default=0.5, ge=0, le=1)
    """The arms of a backend share its places by how often the champion fails there, an arm that it always passes as if
    it failed this often; 1 gives every arm as many."""
    splits: tuple[Split, ...] = (Split.TRAIN,)
    """Nothing else may be trained on (rule 4). A setting only so that it is recorded with the dataset."""
