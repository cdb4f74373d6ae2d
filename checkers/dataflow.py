"""Data flow: where did the value of every argument come from?

Half of all turns need a value that only a tool can supply. A player that was taught by cloned answers calls without
looking and invents it. So each value is traced: to the user's words so far, to a result that was seen before the call,
to a stated rule over these, to the tool's own schema. Of an SQL statement each literal is a value; nothing else is. A
value that a result supplies and that was used before the result was seen is blind; one that nothing supplies is from
nowhere. Both fail. A call sees the results of earlier messages only, not those of calls beside it in the same message.
"""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import ClassVar, Final, NamedTuple

from pydantic import JsonValue

from checkers.evidence.origins import Origins
from checkers.evidence.turns import turns_of
from checkers.evidence.words import leaves
from loop.canonical import MAX_INT, clean
from loop.types import Record, Task, Trajectory, Verdict

__all__ = ["Dataflow"]

MAX_TRACES: Final = 300
"""Traces that are kept as evidence."""

MAX_VALUES: Final = 2_000
"""Values of a play that are traced. A play with more fails: nobody says or sees so many."""

MAX_SHOWN: Final = 80


class ValueSource(StrEnum):
    """Where a value came from."""

    USER = "user"
    """The user's words so far."""
    RESULT = "result"
    """A result seen before the call."""
    RULE = "rule"
    """A stated rule over a result: the plan's own derivation, or a text put together from what was said and seen."""
    SCHEMA = "schema"
    """A boolean, a default, one of the tool's listed choices, or no content at all."""
    CARRIED = "carried"
    """An earlier call of the player's own that succeeded."""
    PLAN = "plan"
    """The plan has it as a literal: the task's author vouches for it."""
    BLIND = "blind"
    """A result supplies it, and had not been seen."""
    NOWHERE = "nowhere"
    """Nothing supplies it."""


BAD = frozenset({ValueSource.BLIND, ValueSource.NOWHERE})


class ValueTrace(NamedTuple):
    """Where one value of one argument came from."""

    turn: int
    step: int
    tool: str
    argument: str
    value: JsonValue
    source: ValueSource
    by: str
    """What supplied it, or the rule by which it was read."""

    def shown(self) -> JsonValue:
        """Spell it for the store."""
        plain = self.value is None or (isinstance(self.value, int | float) and abs(self.value) <= MAX_INT)
        value = self.value if plain else clean(str(self.value)[:MAX_SHOWN])
        where: dict[str, JsonValue] = {
            "turn": self.turn,
            "step": self.step,
            "tool": clean(self.tool[:MAX_SHOWN]),
            "argument": clean(self.argument[:MAX_SHOWN]),
        }
        return {**where, "value": value, "source": self.source.value, "by": self.by[:MAX_SHOWN]}


class Dataflow(Record):
    """Judges where the arguments' values came from."""

    strict: bool = True
    """Whether a value from nowhere fails the play. A blind one always does."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "dataflow"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Trace every argument's values, in the order of the play."""
        traces = list(islice(_traces(task, trajectory), MAX_VALUES + 1))
        if len(traces) > MAX_VALUES:
            return self._too_many(traces[-1])
        counts = Counter(trace.source for trace in traces)
        bad = [trace for trace in traces if trace.source in (BAD if self.strict else {ValueSource.BLIND})]
        grounded = sum(count for source, count in counts.items() if source not in BAD)
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not bad,
            score=grounded / len(traces) if traces else 1.0,
            reason=_described(bad[0]) if bad else "every value was said, seen, or derived from what was",
            evidence={
                "counts": {source.value: counts[source] for source in ValueSource},
                "arguments": [trace.shown() for trace in [*bad, *(t for t in traces if t not in bad)][:MAX_TRACES]],
            },
        )

    def _too_many(self, last: ValueTrace) -> Verdict:
        reason = f"turn {last.turn}: with {last.tool} the calls have more than {MAX_VALUES} values"
        return Verdict(checker=self.name, version=self.version, passed=False, score=0, reason=reason, evidence={})


def _described(trace: ValueTrace) -> str:
    why = "was used before the result that supplies it" if trace.source is ValueSource.BLIND else "comes from nowhere"
    return f"turn {trace.turn}: {trace.tool}({trace.argument}={str(trace.value)[:MAX_SHOWN]!r}) {why}"


def _traces(task: Task, trajectory: Trajectory) -> Iterator[ValueTrace]:
    origins = Origins(task, trajectory)
    for number, turn in enumerate(turns_of(trajectory), start=1):
        origins.hear(turn.user.content)
        for index, step in enumerate(turn.steps, start=1):
            for call in step.said.calls:
                for argument, whole in leaves(dict(call.arguments)):
                    for value, (source, by) in origins.of(call, argument, whole):
                        yield ValueTrace(number, index, call.name, argument, value, ValueSource(source), by)
            origins.see(step)
