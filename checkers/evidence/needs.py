"""Which of a plan's answers a player needed, and whether it had them by another way.

What a call changed, the state proves. What a call answered is needed: the user asked to look, or asks about it. A
player has it by an equal answer of whatever tool, by one that holds it, or, where the turn's last word is an answer, by
having seen what that answer is made of; in a database, by having seen a whole table. A look that only serves a write is
made by the write itself where this reads.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from checkers.evidence.databases import SQL, StatementPair, agree, statement_of, table_of
from checkers.evidence.plans import PlanRun
from checkers.evidence.replay import ReplayedCall
from checkers.evidence.statements import Statement
from checkers.evidence.tables import holds, is_bare, rows_of
from checkers.evidence.words import contains, leaves
from loop.types import Call, From, Intent, Task

MAX_LEAVES: Final = 2_000
"""Values of an answer that are looked for in another."""


def unmet(run: PlanRun, number: int, lacking: Iterable[int], made: Sequence[ReplayedCall], since: int) -> int | None:
    """Find the first of a turn's answers that the player needed and did not have.

    An answer that a call gave as it is was had, unless it proves nothing by itself: one without content comes from
    many a call, and one table from many a query.

    Args:
        run: the plan's run.
        number: of the turn, from 0.
        lacking: places, in the plan, of the answers that no call of the player gave as they are.
        made: every call of the player so far.
        since: how many of them were made before this turn.
    """
    had, turn = _Had(run, number, made, since), run.turns[number]
    doubtful = {*lacking, *(index for index in range(turn.end - len(turn.calls), turn.end) if had.doubts(index))}
    return next((index for index in sorted(doubtful) if not had.has(index)), None)


def lucky(run: PlanRun, number: int, made: Sequence[ReplayedCall], since: int) -> str | None:
    """Find a statement of a turn that does what the plan's does on this database only.

    Args: as for `unmet`.
    """
    had = _Had(run, number, made, since)
    return next((statement_of(call) for call in had.lucky()), None)


class _Had:
    """What a player had by the end of a turn."""

    def __init__(self, run: PlanRun, number: int, made: Sequence[ReplayedCall], since: int) -> None:
        self._run, self._number, self._made = run, number, made
        self._mine = made[since:]

    @property
    def _task(self) -> Task:
        return self._run.task

    def doubts(self, index: int) -> bool:
        """Whether an answer proves nothing by itself, and the player did not make the very call."""
        call, value = self._run.calls[index], self._run.results[index].value
        if rows_of(value) is None and _leaves(value):
            return False
        return not any(one.call.name == call.name and one.call.arguments == call.arguments for one in self._made)

    def has(self, index: int) -> bool:
        """Whether an answer of the plan was not needed, or was had by another way."""
        if self._run.results[index].ok and self._run.writes[index]:
            return True
        value = self._run.results[index].value
        if rows_of(value) is not None:
            return self._has_table(index) or self._reads_in_a_write(index)
        return self._has_its_answer(index, self._made) if _leaves(value) else self._asked_alike(index)

    def _asked_alike(self, index: int) -> bool:
        """Whether the player called the same tool with the same, but for what may be left out, and had that answer."""
        call, value = self._run.calls[index], self._run.results[index].value
        wanted = {*_leaves(dict(call.arguments))}
        alike = (one for one in self._made if one.call.name == call.name and one.value == value)
        return any(wanted <= mine or mine <= wanted for one in alike for mine in [{*_leaves(dict(one.call.arguments))}])

    # --- databases ----------------------------------------------------------------------------------------------------

    def _has_table(self, index: int) -> bool:
        """Whether a query of the player found what the plan's did, and not by luck."""
        if any(self._holds(index, one) for one in self._made):
            return True
        whole = [one for one in self._made if _statement(one.call).takes_all]
        rows = rows_of(self._run.results[index].value) or []
        in_order = len(rows) > 1 and _statement(self._run.calls[index]).ordered
        return not in_order and self._has_its_answer(index, whole)

    def _holds(self, index: int, one: ReplayedCall) -> bool:
        planned, value = self._run.calls[index], self._run.results[index].value
        wanted, mine = rows_of(value), table_of(one.call, one.value) if one.ok else None
        if wanted is None or mine is None:
            return False
        ordered = _statement(planned).ordered
        if not holds(mine, wanted, ordered=ordered) or (ordered and len(wanted) > 1 and not _statement(one.call).sorts):
            return False
        agreed = self._agree(planned, one.call)
        return agreed is True or (agreed is None and not is_bare(wanted))

    def _agree(self, planned: Call, mine: Call) -> bool | None:
        """Whether two statements do the same on other databases as well."""
        if _statement(planned).spelling == _statement(mine).spelling:
            return True
        pair, known = StatementPair(statement_of(planned), statement_of(mine)), self._run.agreed
        if pair not in known:
            initial = self._task.initial.get(SQL)
            said = " ".join(turn.user for turn in self._task.turns)
            known[pair] = agree(initial, pair, said) if isinstance(initial, dict) else None
        return known[pair]

    def _reads_in_a_write(self, index: int) -> bool:
        """Whether the answer only serves a write of this turn, and the player's write reads it itself."""
        takers = self._run.carried[index]
        turn = self._task.turns[self._number]
        asked = any(isinstance(value, From) and value.step == index for value in turn.answer)
        if asked or not takers or not all(self._run.writes[taker] for taker in takers):
            return False
        return any(one.ok and _statement(one.call).reads_to_write for one in self._mine)

    def lucky(self) -> Iterator[Call]:
        """Find the writes of this turn that leave another database otherwise than the plan's."""
        turn = self._run.turns[self._number]
        planned = [call for call in turn.calls if _is_write(call)]
        mine = [one.call for one in self._mine if one.ok and _is_write(one.call)]
        if SQL in self._task.backends and len(planned) == len(mine):
            yield from (two for one, two in zip(planned, mine, strict=True) if self._agree(one, two) is False)

    # --- everything else ----------------------------------------------------------------------------------------------

    def _has_its_answer(self, index: int, made: Sequence[ReplayedCall]) -> bool:
        """Whether the turn asks, and one of some calls answered all that its answer takes from this one."""
        turn = self._task.turns[self._number]
        taken = [value for value in turn.answer if isinstance(value, From)]
        mine = [_followed(self._run.results[index].value, source.path) for source in taken if source.step == index]
        if turn.intent is not Intent.ANSWER or (taken and not mine):
            return False
        values = [leaf for value in mine or self._run.turns[self._number].answer for leaf in _leaves(value)]
        telling = [value for value in values if len(value) > 2 or len(values) > 1]  # noqa: PLR2004 - no chance hit
        return bool(telling) and any(one.ok and _holds_all(one, telling) for one in made)


def _followed(value: JsonValue, path: Sequence[str | int]) -> JsonValue:
    for step in path:
        value = value[str(step)] if isinstance(value, dict) else value[int(step)] if isinstance(value, list) else None
    return value


def _leaves(value: JsonValue) -> list[str]:
    texts = [str(leaf).casefold() for _, leaf in leaves(value) if leaf is not None and not isinstance(leaf, bool)]
    return [text.removesuffix(".0") for text in texts[:MAX_LEAVES]]


def _holds_all(one: ReplayedCall, values: Sequence[str]) -> bool:
    """Whether an answer holds some values, by themselves or, where they are no numbers, within its texts."""
    said = _said_by(one)
    return all(
        value in said or (not _is_number(value) and any(contains(text, value) for text in said)) for value in values
    )


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _said_by(one: ReplayedCall) -> set[str]:
    """Give the values of an answer that the call itself did not hold."""
    texts = {*_leaves(dict(one.call.arguments))}
    return {*_leaves(one.value)} - texts


def _statement(call: Call) -> Statement:
    return Statement(sql=statement_of(call))


def _is_write(call: Call) -> bool:
    return _statement(call).writes
