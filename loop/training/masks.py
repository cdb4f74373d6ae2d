"""Turn a play into a training row: its tokens, and which of them carry loss.

Rule 3 of the design: every assistant span has loss, the closing message without a call included; nothing else has;
nothing is cut. A row that is too long is refused and counted, because what a cut loses first is the closing message,
and a student that never sees one never stops calling.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loop.types.jobs import Weighing

Losses = Mapping[str, tuple[float, ...]]
"""Of each row of a step by id, what the answers of its turns lost before it, in nats."""


class LearnedSpan(Protocol):
    """A run of tokens that is learned whole or not at all."""

    @property
    def tokens(self) -> Sequence[int]:
        """Token ids, in order."""
        ...

    @property
    def loss(self) -> bool:
        """Whether the player is to learn to say them."""
        ...


@dataclass(frozen=True, slots=True)
class RowTurn:
    """A turn of a row: what is asked, as traits (`loop.dataset.coverage`), and how many learned tokens answer it."""

    traits: frozenset[int]
    learned: int


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One trajectory as tokens.

    `loss[i]` says whether `tokens[i + 1]` is learned from what stands before it, so it is one shorter than `tokens`.
    Rows of one `group` begin alike (one catalogue, one system prompt). `weight` is that of each learned token.
    """

    id: str
    tokens: tuple[int, ...]
    loss: tuple[bool, ...]
    group: str = ""
    weight: float = 1.0
    turns: tuple[RowTurn, ...] = ()
    """Where rows are chosen by their turns; otherwise empty."""

    @property
    def targets(self) -> int:
        """How many tokens are learned."""
        return sum(self.loss)


def learned(rows: Iterable[TrainingRow]) -> float:
    """Sum the weights of the tokens that rows are learned at: what a step's loss is divided by."""
    return sum(row.weight * row.targets for row in rows)


class RowRefused(ValueError):
    """A play that makes no training row; the message is the reason that is counted."""


def row(
    name: str, spans: Iterable[LearnedSpan], limit: int, group: str = "", weigh: Weighing = "tokens"
) -> TrainingRow:
    """Lay one play's spans end to end.

    Args:
        name: the trajectory's id.
        spans: its tokens, in runs that are learned or not.
        limit: most tokens that a row may have.
        group: rows of one group begin alike.
        weigh: what counts alike in a step's loss, every trajectory or every learned token.

    Raises:
        Refused: it has more than `limit` tokens ("too_long") or nothing to learn ("no_loss").
    """
    parts = tuple(spans)
    tokens = tuple(token for part in parts for token in part.tokens)
    loss = tuple(part.loss for part in parts for _ in part.tokens)[1:]
    if len(tokens) > limit:
        raise RowRefused("too_long")
    if not any(loss):
        raise RowRefused("no_loss")
    return TrainingRow(name, tokens, loss, group, 1 / sum(loss) if weigh == "trajectories" else 1.0)
