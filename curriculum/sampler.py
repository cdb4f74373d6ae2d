"""What every sampler shares: floors, seeds, and who plays more once the verdicts are in. A sampler adds the weights."""

import random
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from curriculum.opening import Start
from curriculum.spread import NO_ARMS, Floats, Ints, spread
from curriculum.table import Table, tabulate
from loop.errors import ConfigError
from loop.types import Arm, ArmKey, Record, TaskRequest, Tier

ADAPTIVE = 8
"""From so many samples on, a task without a win is played as often again before a teacher is asked."""


class More(Record):
    """What a task is owed after its verdicts: nothing, further plays, or a mark that the task itself may be wrong."""

    samples: int = 0
    """Further plays of the student."""
    teacher: bool = False
    """Whether the teachers play it."""
    suspected: bool = False
    """Student and every teacher failed: the task goes to the soundness ledger and is not held against the student."""


class Sampler(Record):
    """Chooses a round's tasks. Fields are settings."""

    samples: int = Field(default=4, ge=1)
    """The student's plays of a task, to begin with."""
    most_samples: int | None = Field(default=None, ge=1)
    """The student's plays, at most, of a task that it has not passed yet; None for twice `samples` from 8 on."""
    floor: float = Field(default=0.1, ge=0, le=1)
    """Share of a round's tasks that every backend gets, whatever the weights say."""
    free: frozenset[Tier] = frozenset({Tier.EASY, Tier.MODERATE})
    """Tiers that are open from the start."""
    families: frozenset[str] = frozenset()
    """Families that are open from the start; the others of a backend open one after the other as those before them are
    mastered. Empty for all."""
    mastered: float = Field(default=0.7, ge=0, le=1)
    """The pass rate, of the plays that the posterior remembers, from which an arm opens what builds on it."""
    seeds: int = Field(default=1_000_000_000, ge=1_000_000)
    """Train seeds are drawn below this; from there on they belong to the suites."""

    def pick(
        self,
        arms: Sequence[Arm],
        keys: Sequence[ArmKey],
        tasks: int,
        rng: random.Random,
        round: int,  # noqa: A002 - the field's name
    ) -> tuple[TaskRequest, ...]:
        """Choose what the student plays: `tasks` requests, no two alike, the same for the same arguments.

        Args:
            arms: what is known so far, in any order; arms that are not in `keys` are left alone.
            keys: everything that the generators can make and the profile allows.
            tasks: how many requests.
            rng: the round's own.
            round: its number.

        Raises:
            ConfigError: there is no arm to choose from.
        """
        table = self._table(arms, keys, round)
        draws = np.random.default_rng(rng.getrandbits(64))
        members = table.members & ~table.parked
        backends = np.roll(members[members.any(axis=1)] if members.any() else table.members, -round, axis=0)
        weights, first = self._weights(table, draws, round), self._first(table, tasks)
        chosen = draws.permutation(spread(weights, backends, tasks, self.floor, draws, first))
        seeds = rng.sample(range(self.seeds), tasks)
        return tuple(
            TaskRequest(arm=table.keys[arm], seed=seed, samples=self.samples)
            for arm, seed in zip(chosen, seeds, strict=True)
        )

    def look(
        self, before: Sequence[Arm], after: Sequence[Arm], keys: Sequence[ArmKey], rng: random.Random
    ) -> tuple[TaskRequest, ...]:
        """Choose one task of each arm that a round's own plays have opened, so that it need not wait for the next one.

        Args:
            before: what was known when the round began.
            after: the same with the round's plays; an arm that the present champion has played is left out.
            keys: everything that the generators can make and the profile allows.
            rng: the round's own, for these tasks alone.
        """
        known, now = self._table(before, keys), self._table(after, keys)
        new = np.flatnonzero(now.open & ~known.open & (now.unseen | now.inherited) & (now.weight > 0))
        seeds = rng.sample(range(self.seeds), len(new))
        return tuple(
            TaskRequest(arm=now.keys[arm], seed=seed, samples=self.samples)
            for arm, seed in zip(new, seeds, strict=True)
        )

    def teach(
        self,
        arms: Sequence[Arm],
        keys: Sequence[ArmKey],
        tasks: int,
        rng: random.Random,
        *,
        below: float = 0.05,
    ) -> tuple[TaskRequest, ...]:
        """Choose what only teachers play: open arms where the champion's chance is near nothing after `samples` plays.

        An arm that it has not played yet is none of them, whatever became of it under its predecessor.
        Spread evenly over backends and arms; fewer than `tasks` (none at all) where no arm is that hopeless.
        """
        table = self._table(arms, keys)
        lost = ~table.inherited & (table.evidence >= self.samples) & (table.alpha - 1 <= below * table.evidence)
        weights = (table.open & lost & (table.weight > 0)).astype(np.float64)
        if not weights.any():
            return ()
        draws = np.random.default_rng(rng.getrandbits(64))
        members = table.members[(table.members & (weights > 0)).any(axis=1)]
        chosen = spread(weights, members, tasks, 1.0, draws)
        seeds = rng.sample(range(self.seeds), tasks)
        return tuple(
            TaskRequest(arm=table.keys[arm], seed=seed, samples=0, teacher=True)
            for arm, seed in zip(chosen, seeds, strict=True)
        )

    def more(self, *, plays: int, wins: int, teacher_plays: int = 0, teacher_wins: int = 0, teachers: int = 0) -> More:
        """Say what a task is owed, given its finished plays and verdicts so far.

        The student is asked again until it has won once or lost as often as it may; only then are the teachers;
        where all `teachers` fail too, the task is suspected. Plays that a provider failed are not counted.
        """
        if wins or teacher_wins:
            return More()
        if plays < self.samples:
            return More(samples=self.samples - plays)
        if plays < self._most:
            return More(samples=self._most - plays)
        return More(teacher=teacher_plays < teachers, suspected=0 < teachers <= teacher_plays)

    @property
    def _most(self) -> int:
        if self.most_samples is not None:
            return self.most_samples
        return 2 * self.samples if self.samples >= ADAPTIVE else self.samples

    def _first(self, table: Table, tasks: int) -> Ints:  # noqa: ARG002 - for those that need them
        """Name the arms that a round of so many tasks must have."""
        return NO_ARMS

    @abstractmethod
    def _weights(self, table: Table, rng: np.random.Generator, round: int) -> Floats:  # noqa: A002 - the field's name
        """Weigh every arm, on any scale."""

    def _table(
        self,
        arms: Sequence[Arm],
        keys: Sequence[ArmKey],
        round: int | None = None,  # noqa: A002 - the field's name
    ) -> Table:
        if not keys:
            raise ConfigError("No arm is left to sample: allow more backends, tiers or generators under [sampling].")
        return tabulate(arms, keys, Start(self.free, self.families), self.mastered, round)
