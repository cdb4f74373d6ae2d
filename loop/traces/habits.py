"""How tools are used in traces: what their results look like, and what is given to their parameters.

Two tools that are used alike do the same, whatever they are called; so are two parameters that are given the same
kinds of values. This is what tells which call a result belongs to, and what a renamed tool is called today.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

import numpy as np
from pydantic import JsonValue
from scipy.optimize import linear_sum_assignment

from loop.traces.filters.results import rows_in
from loop.types import Call, Catalogue, Tool, Trajectory

ANY: Final = ""
"""Stands for all tools together: a parameter's name may be used by many that are no longer offered."""
MOST: Final = 500
"""Values of a parameter that are remembered."""
LETTERS: Final = re.compile(r"[^\W\d_]+")
DIGITS: Final = re.compile(r"\d+")
LEAST: Final = 0.25
"""Likeness from which on two tools or parameters may be the same."""


class Habits:
    """What is known of the use of tools."""

    def __init__(self) -> None:
        self.columns: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rows: defaultdict[str, list[int]] = defaultdict(list)
        self.values: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.calls: Counter[str] = Counter()

    @classmethod
    def of(cls, trajectories: Iterable[Trajectory], faulty: Mapping[int, frozenset[int]] | None = None) -> "Habits":
        """Learn from trajectories; messages with which filters found fault, by the trajectory's place, are left out."""
        habits = cls()
        for number, trajectory in enumerate(trajectories):
            bad = (faulty or {}).get(number, frozenset())
            for index, message in enumerate(trajectory.messages):
                if index not in bad:
                    for offset, call in enumerate(message.calls, start=1):
                        after = trajectory.messages[index + offset : index + offset + 1]
                        habits.learn(call, after[0].content if after and after[0].role == "tool" else "")
        return habits

    def learn(self, call: Call, answer: str) -> None:
        """Take in one call and what it was answered."""
        self.calls[call.name] += 1
        for name, value in call.arguments.items():
            for key in ((call.name, name), (ANY, name)):
                if len(self.values[key]) < MOST:
                    self.values[key][str(value).casefold()] += 1
        rows = rows_in(answer)
        self.rows[call.name].append(len(rows))
        for row in rows[:1]:
            self.columns[call.name].update(list(row))

    def caller(self, rows: Sequence[Mapping[str, JsonValue]], offered: Catalogue) -> Tool | None:
        """Name the tool whose results look like these; None where none does, or two do alike."""
        if not rows:
            return None
        here = set(rows[0])
        scored = sorted(((self._alike(tool.name, here), tool.name) for tool in offered.tools), reverse=True)
        if not scored or scored[0][0] < 0.8 or (len(scored) > 1 and scored[1][0] == scored[0][0]):  # noqa: PLR2004
            return None
        return offered.find(scored[0][1])

    def _alike(self, tool: str, here: set[str]) -> float:
        there = {name for name, count in self.columns[tool].items() if 2 * count >= max(self.columns[tool].values())}
        return len(here & there) / len(here | there) if there else 0.0

    def renamed(self, call: Call, rows: Sequence[Mapping[str, JsonValue]], today: Catalogue) -> Call | None:
        """Give a call of a tool that is no longer offered its names of today, by its values and what it answered."""
        looks = self.caller(rows, today)
        best: tuple[float, Call | None] = (LEAST, None)
        for tool in today.tools:
            names, score = self._matched(list(call.arguments), tool)
            alike = score + 0.2 * _words_alike(call.name, tool.name) + (looks == tool)
            if names and alike > best[0]:
                given = {names[name]: value for name, value in call.arguments.items()}
                best = alike, Call(name=tool.name, arguments=given)
        return best[1]

    def _matched(self, taken: Sequence[str], tool: Tool) -> tuple[dict[str, str], float]:
        """Pair a call's parameters with a tool's, as well as can be; none where one is left over or missing."""
        known, required = tool.parameters.get("properties"), tool.parameters.get("required")
        names = list(known) if isinstance(known, dict) else []
        if not taken or len(taken) > len(names):
            return {}, 0.0
        table = np.array([[self._like(one, tool.name, other) for other in names] for one in taken])
        ones, others = linear_sum_assignment(-table)
        pairs = {taken[i]: names[j] for i, j in zip(ones, others, strict=True)}
        needed = required if isinstance(required, list) else []
        whole = all(name in pairs.values() for name in needed) and bool((table[ones, others] >= LEAST).all())
        return (pairs, float(table[ones, others].mean())) if whole else ({}, 0.0)

    def _like(self, old: str, tool: str, name: str) -> float:
        """How alike the values of two parameters are: the same ones, of the same shape, under like names."""
        mine, theirs = self.values[ANY, old], self.values[tool, name]
        if not mine or not theirs:
            return 0.5 * _words_alike(old, name)
        shared = len(mine.keys() & theirs.keys()) / min(len(mine), len(theirs))
        return 0.5 * shared + 0.3 * _overlap(_shapes(mine), _shapes(theirs)) + 0.2 * _words_alike(old, name)


def _shapes(values: Counter[str]) -> Counter[str]:
    return Counter(LETTERS.sub("a", DIGITS.sub("9", value))[:20] for value in values)


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    mine, theirs = one.total(), other.total()
    return sum(min(count / mine, other[shape] / theirs) for shape, count in one.items())


def _words_alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
