"""Precedents: what is doubted because others, asked the same or nearly the same, were answered otherwise.

Where people correct the same answer differently, those who are fewer are doubted, and all of them where they are even.
A person who says something else later has changed their mind. Where the words of a request are those after which others
call one tool, a correction that calls another is doubted: by other corrections, and by plays that checkers accepted
with the same tools (naive Bayes over words, each request judged by the others alone).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from checkers.evidence.words import WORD
from loop.traces.lessons import Lesson, Skipped, action_of, agree, answer_of
from loop.types import Accepted

MARGIN: Final = 3.0
"""Logarithm of the odds from which on a request asks for what others do: twenty to one."""
LEAST: Final = 3
"""Words that a request must share with others, and others that must do the same: a mere "yes, please" says nothing."""


class Objection(NamedTuple):
    """A thumb down: somebody says that an answer is wrong, and not what would be right."""

    id: int
    lesson: Lesson
    """The answer as it was given."""


class Precedent(NamedTuple):
    """What was done after a request."""

    action: str
    words: frozenset[str]
    origin: str
    """The trajectory in which it was done, or that was corrected; or the correction itself."""
    number: int
    """The correction; 0 for a play."""


def accepted(plays: Iterable[Accepted]) -> Iterator[Lesson]:
    """Give every answer of plays that checkers accepted, as a lesson without a number."""
    for play in plays:
        messages = play.trajectory.messages
        for index, message in enumerate(messages):
            if message.role == "assistant" and message.learned:
                yield Lesson(0, messages[:index], message, None, play.trajectory.catalogue, play.task, play.id)


def superseded(lessons: Sequence[Lesson]) -> Iterator[Skipped]:
    """Find what one person said of an answer before they said something else of it."""
    last: dict[tuple[str, str], Lesson] = {}
    for lesson in lessons:
        earlier = last.get((lesson.author, lesson.point)) if lesson.author else None
        if earlier and not agree(earlier.wanted, lesson.wanted):
            yield Skipped(earlier.id, f"the same person said otherwise later: correction {lesson.id}", doubted=False)
        last[lesson.author, lesson.point] = lesson


def contradicted(lessons: Sequence[Lesson], objections: Sequence[Objection] = ()) -> dict[int, str]:
    """Find corrections that want different answers at the same point, or an answer that others reject."""
    points: defaultdict[str, list[list[Lesson]]] = defaultdict(list)
    for lesson in lessons:
        camps = points[lesson.point]
        camp = next((camp for camp in camps if agree(camp[0].wanted, lesson.wanted)), None)
        camps.append([lesson]) if camp is None else camp.append(lesson)
    against: defaultdict[str, list[int]] = defaultdict(list)
    for objection in objections:
        against[f"{objection.lesson.point} {answer_of(objection.lesson.wanted)}"].append(objection.id)
    doubted: dict[int, str] = {}
    for point, camps in points.items():
        doubted |= _outnumbered(camps)
        for camp in camps:
            downs = [number for one in _distinct(camp) for number in against[f"{point} {one}"]]
            if len(downs) >= len(camp):
                reason = f"correction {downs[0]} says that this answer is wrong"
                doubted |= {lesson.id: reason for lesson in camp}
    return doubted


def _distinct(camp: Sequence[Lesson]) -> list[str]:
    return sorted({answer_of(lesson.wanted) for lesson in camp})


def _outnumbered(camps: Sequence[Sequence[Lesson]]) -> dict[int, str]:
    weights = sorted(map(_weight, camps), reverse=True)
    doubted: dict[int, str] = {}
    for camp in camps if len(camps) > 1 else ():
        if _weight(camp) < weights[0] or weights[0] == weights[1]:
            other = next(lesson for item in camps if item is not camp for lesson in item)
            reason = f"correction {other.id} of the same answer wants something else"
            doubted |= {lesson.id: reason for lesson in camp}
    return doubted


def _weight(camp: Sequence[Lesson]) -> tuple[bool, int]:
    """Say whether somebody looked at one of them and found it right, and how many there are."""
    return any(lesson.confirmed for lesson in camp), len(camp)


def uncommon(lessons: Sequence[Lesson], others: Iterable[Lesson] = ()) -> dict[int, str]:
    """Find corrections that call another tool than others do after requests in such words."""
    stages: defaultdict[str, list[Precedent]] = defaultdict(list)
    for lesson in (*others, *lessons):
        stages[lesson.stage + lesson.catalogue.id].append(_precedent(lesson))
    doubted: dict[int, str] = {}
    for stage in stages.values():
        usage = _Usage(stage)
        doubted |= {one.number: reason for one in stage if one.number and (reason := usage.against(one))}
    return doubted


def _precedent(lesson: Lesson) -> Precedent:
    return Precedent(action_of(lesson.wanted), words_of(lesson), lesson.origin or f"correction {lesson.id}", lesson.id)


def words_of(lesson: Lesson) -> frozenset[str]:
    """Give the words of a request."""
    return frozenset(WORD.findall(lesson.request.casefold()))


class _Usage:
    """After which words people want what."""

    def __init__(self, stage: Sequence[Precedent]) -> None:
        counts = Counter(word for item in stage for word in item.words)
        self._common = frozenset(word for word, count in counts.items() if count > 1)
        self._actions = Counter(item.action for item in stage)
        self._words: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._own: defaultdict[str, list[Precedent]] = defaultdict(list)
        for item in stage:
            self._words[item.action].update(item.words & self._common)
            self._own[item.origin].append(item)

    def against(self, one: Precedent) -> str | None:
        """Say why what is wanted after a request is not what its words ask for."""
        words = one.words & self._common
        rivals = [action for action in self._actions if action != one.action and self._count(one, action) >= LEAST]
        if len(words) < LEAST or not rivals:
            return None
        best = max(rivals, key=lambda action: self._odds(one, action, words))
        if self._odds(one, best, words) - self._odds(one, one.action, words) < MARGIN:
            return None
        return f"requests in such words ask for {best} (there are {self._count(one, best)}), not {one.action}"

    def _count(self, one: Precedent, action: str) -> int:
        """Count who does something, without the conversation that is judged."""
        return self._actions[action] - sum(item.action == action for item in self._own[one.origin])

    def _odds(self, one: Precedent, action: str, words: frozenset[str]) -> float:
        count, own = self._count(one, action), [item for item in self._own[one.origin] if item.action == action]
        seen = (self._words[action][word] - sum(word in value.words for value in own) for word in words)
        return math.log(count + 0.5) + sum(math.log((number + 0.5) / (count + 1)) for number in seen)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Say how alike the words of two requests are, from 0 to 1."""
    return len(one & other) / len(one | other) if one | other else 0.0
