"""The arms of one round as columns, so that ten thousand of them are weighed at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curriculum.opening import Start, name, opened
from curriculum.parking import rests
from curriculum.posterior import PRIOR, fallen
from curriculum.spread import Bools, Floats
from loop.types import Arm, ArmKey

NEVER = -1
"""`last` of an arm that was never played."""


@dataclass(frozen=True)
class Table:
    """What is known of every arm that may be asked for; all columns have one entry per key."""

    keys: tuple[ArmKey, ...]
    alpha: Floats
    beta: Floats
    last: Floats
    """The round that played it last, or `NEVER`."""
    inherited: Bools
    """Arms that the present champion has not played."""
    fallen: Floats
    weight: Floats
    """The operator's factor; 0 where the arm is frozen, or parked."""
    parked: Bools
    """Arms that rest in this round: not even their backend's floor draws them."""
    open: Bools
    members: Bools
    """[backends, arms]: true where the arm plays the backend."""

    @property
    def evidence(self) -> Floats:
        """Plays that the posterior still remembers."""
        return self.alpha + self.beta - 2 * PRIOR

    @property
    def unseen(self) -> Bools:
        """Arms that were never played."""
        unseen: Bools = self.last == NEVER
        return unseen


def tabulate(
    arms: Sequence[Arm],
    keys: Sequence[ArmKey],
    start: Start,
    mastered: float,
    round: int | None = None,  # noqa: A002 - the field's name
) -> Table:
    """Put what is known beside what may be asked for; an arm without a row begins with the prior.

    Without a round, no arm is parked.
    """
    known = {name(arm.key): arm for arm in arms}
    names = [name(key) for key in keys]
    rows = [known.get(name) or Arm(key=key) for name, key in zip(names, keys, strict=True)]
    parked: Bools = np.array([round is not None and rests(row, round) for row in rows], dtype=np.bool_)
    alpha, beta = np.array([row.alpha for row in rows]), np.array([row.beta for row in rows])
    weight = np.where(parked, 0.0, [0.0 if row.frozen else row.weight for row in rows])
    has = _observed(alpha, beta) >= mastered
    return Table(
        keys=tuple(keys),
        alpha=alpha,
        beta=beta,
        last=np.array([NEVER if row.last_round is None else row.last_round for row in rows], dtype=np.float64),
        inherited=np.array([row.inherited for row in rows], dtype=np.bool_),
        fallen=np.array([fallen(row) for row in rows]),
        weight=weight,
        parked=parked,
        open=np.array(opened(names, has.tolist(), (weight > 0).tolist(), start)),
        members=_members(keys),
    )


def _observed(alpha: Floats, beta: Floats) -> Floats:
    """Give the pass rates of the plays alone, 0 where there are none.

    A new champion inherits these whole; the posterior's mean is drawn towards one half when its evidence is cut.
    """
    evidence = alpha + beta - 2 * PRIOR
    return np.divide(alpha - PRIOR, evidence, out=np.zeros_like(alpha), where=evidence > 0)


def _members(keys: Sequence[ArmKey]) -> Bools:
    backends = sorted({backend for key in keys for backend in key.backends})
    index = {backend: row for row, backend in enumerate(backends)}
    members: Bools = np.zeros((len(backends), len(keys)), dtype=np.bool_)
    rows = [index[backend] for key in keys for backend in key.backends]
    members[rows, np.repeat(np.arange(len(keys)), [len(key.backends) for key in keys])] = True
    return members
