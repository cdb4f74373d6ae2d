"""Which rows come next: every other one by lot, the others by what the model still gets wrong of what it was shown.

A round can train on a few hundred rows. By a third of them most requests are learned; a fit then spends its steps on
what it knows, and fails in the end at ways to ask that it met once or twice: each fit at others, as its lots fall. But
a row is new when its turn comes, so its loss says, for nothing, how well the model does at requests that are asked
alike. From that, each turn of the rows that are left gets a need: what the turns like it have lost of late, or, where
none was like it, what turns lose at first sight. To choose by recent loss is known from prioritized replay (Schaul et
al. 2016) and selective backprop (Jiang et al. 2019); here it is the loss of other rows: no row is computed in vain, and
none comes twice.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from loop.dataset.coverage import described
from loop.templates.spans import TokenSpan
from loop.training.job import TrainingExample
from loop.training.masks import Losses, RowTurn, TrainingRow
from loop.training.prefix_tree import Floats

Shares = npt.NDArray[np.float64]
"""Numbers in 0..1."""
NEWS: Final = 0.6
"""What the loss of a turn counts for one that is asked the same, beside all that was known of it."""
LEFT: Final = 0.5
"""Of what a turn lost, the share that is taken to be left once its step was taken: so what is new comes first."""
RECENT: Final = 0.1
"""How far the loss of a turn like none before moves what such turns are taken to lose."""


class Sought:
    """Steps that choose from the rows that are left. Seed and losses decide, so they can be gone through again."""

    def __init__(
        self, rows: Sequence[TrainingRow], take: int, size: int, climb: Callable[[int], int], seed: int
    ) -> None:
        """Prepare to give `take` of the rows, `size` a step, two groups of rows in each.

        Args:
            rows: what to choose from; each with its turns.
            take: how many rows the steps have together; fewer where there are fewer.
            size: rows of a step.
            climb: of all steps, those in which the learning rate climbs: their losses are of how a call is spelled.
            seed: decides the lots.
        """
        self.rows, self.size = {row.id: row for row in rows}, size
        self.count = max(1, round(min(take, len(rows)) / size))
        self.climb = climb(self.count)
        self.told: list[Losses] = []
        self.taken: list[str] = []
        self.at_first_sight = 1.0
        self.new: dict[str, Shares] = {}
        self.left: defaultdict[str, list[str]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.id):
            self.left[row.group].append(row.id)
        for group in sorted(self.left):
            random.Random(f"{seed}/{group}").shuffle(self.left[group])
        self.offered = {group: len(names) for group, names in sorted(self.left.items())}
        self.fields = {group: _Field([self.rows[name] for name in names]) for group, names in self.left.items()}

    def step(self, number: int) -> list[TrainingRow]:
        """Take the rows of a step, counted from 0, out of those that are left."""
        runs = min(2, sum(map(bool, self.left.values())))
        names = [name for run in range(runs) for name in self._run(-(-(self.size - run) // runs), number)]
        self.taken += names
        return [self.rows[name] for name in names]

    def learn(self, losses: Mapping[str, Floats]) -> None:
        """Take in what each learned token of a step's rows lost before it; nothing where the engine does not tell."""
        self._take_in({name: _by_turn(self.rows[name], row_losses) for name, row_losses in sorted(losses.items())})

    def again(self, history: Sequence[Losses]) -> None:
        """Go through steps that were taken before, whose losses are known."""
        for number, losses in enumerate(history):
            self.step(number)
            self._take_in(losses)

    def _run(self, size: int, number: int) -> list[str]:
        """Take rows of the group of which most is left, so that the mix stays as it is; the first by lot."""
        group = max(self.offered, key=lambda run: len(self.left[run]) / self.offered[run])
        left, field = self.left[group], self.fields[group]
        names: list[str] = []
        while left and len(names) < size:
            seek = len(names) % 2 == 1 and number >= self.climb
            name = field.neediest(left, self.at_first_sight) if seek else left[-1]
            left.remove(name)
            if number >= self.climb:
                self.new[name] = field.show(name)
            names.append(name)
        return names

    def _take_in(self, losses: Losses) -> None:
        self.told.append(losses)
        new, self.new = self.new, {}
        if len(self.told) <= self.climb:
            return
        for name, row_losses in losses.items():
            self.fields[self.rows[name].group].lose(name, row_losses)
            for loss, share in zip(row_losses, new[name], strict=True):
                self.at_first_sight += RECENT * share * (loss - self.at_first_sight)


class _Field:
    """The turns of one group's rows: how alike they are asked, and what those like each have lost of late."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        ends = [*accumulate(len(row.turns) for row in rows)]
        self.turns = {row.id: slice(end - len(row.turns), end) for row, end in zip(rows, ends, strict=True)}
        self.cost = {row.id: len(row.tokens) for row in rows}
        self.news = NEWS * _jaccard([turn.traits for row in rows for turn in row.turns]) ** 2
        self.lost, self.unknown = np.zeros(len(self.news)), np.ones(len(self.news))

    def neediest(self, names: Sequence[str], at_first_sight: float) -> str:
        """Name the row with the most need a token; the first of those that need alike."""
        need = (self.lost + at_first_sight * self.unknown).round(3)
        return max(names, key=lambda name: need[self.turns[name]].sum() / self.cost[name])

    def show(self, name: str) -> Shares:
        """Count a row as learned until its losses are known, so that a step does not take two of a kind.

        Returns how new each of its turns was, in 0..1.
        """
        new: Shares = self.unknown[self.turns[name]].copy()
        for news in self.news[self.turns[name]]:
            self.lost *= 1 - news
            self.unknown *= 1 - news
        return new

    def lose(self, name: str, losses: Sequence[float]) -> None:
        """Take in what the turns of a row that was shown have lost: a moving average, by how alike they are."""
        self.lost += LEFT * np.array(losses) @ self.news[self.turns[name]]


def turns_of(example: TrainingExample, spans: Sequence[TokenSpan]) -> tuple[RowTurn, ...]:
    """Describe the turns of a play that was rendered as these spans."""
    users = [index for index, message in enumerate(example.messages) if message.role == "user"]
    ends = [*users[1:], len(example.messages)]
    return tuple(_turn(example, begin, end, spans) for begin, end in zip(users, ends, strict=True))


def _turn(example: TrainingExample, begin: int, end: int, spans: Sequence[TokenSpan]) -> RowTurn:
    calls = [call for message in example.messages[begin:end] for call in message.calls]
    given = [value for call in calls for value in call.arguments.values()]
    traits = described(example.messages[begin].content, [call.name for call in calls], given)
    return RowTurn(traits, sum(len(span.tokens) for span in spans if span.loss and begin <= span.message < end))


def _by_turn(row: TrainingRow, losses: Floats) -> tuple[float, ...]:
    """Sum a row's losses over the learned tokens of each turn."""
    ends = [*accumulate(turn.learned for turn in row.turns)]
    return tuple(float(losses[end - turn.learned : end].sum()) for turn, end in zip(row.turns, ends, strict=True))


def _jaccard(sets: Sequence[frozenset[int]]) -> Shares:
    """Compare each with each: what two have in common of what they have together, in 0..1."""
    numbers = {trait: index for index, trait in enumerate(sorted(frozenset().union(*sets)))}
    table = np.zeros((len(sets), len(numbers)), np.float32)
    for index, item in enumerate(sets):
        table[index, [numbers[trait] for trait in item]] = 1
    both = (table @ table.T).astype(np.float64)
    sizes = np.diag(both)
    return both / np.maximum(sizes[:, None] + sizes[None, :] - both, 1)
