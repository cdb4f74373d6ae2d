"""Can a wanted call be right: the tools on offer, the origin of its values, what failed before, the task's plan."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from pydantic import JsonValue

from checkers.closing.claims import HUMP
from checkers.closing.days import days, read_moment, times
from checkers.closing.values import ClosingText
from checkers.evidence.origins import Origins
from checkers.evidence.plans import plan_of
from checkers.evidence.turns import turns_of
from checkers.evidence.words import WORD, SaidText, contains, is_composed, leaves
from loop.canonical import canonical
from loop.traces.filters.origins import UNTOLD, task_of_trace
from loop.traces.filters.schema import Schema
from loop.traces.grounding.context import SHOWN, answered, ground_of, is_error, played, rows_before
from loop.traces.lessons import Lesson
from loop.types import Call
from task_generators.backends.worlds import BackendWorld, open_world

PREFIX: Final = 3
"""Letters by which a word is known that was said shortened: San Fran, the Blue Lag."""
ORDINAL: Final = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)\b")
RELATIVE: Final = re.compile(
    r"\b(?:to(?:day|morrow|night)|now|next|this|coming|following|week\w*|(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"later|same|day after)\b"
)
"""Words for a day that only a calendar can turn into a date."""
LOOSE: Final = re.compile(r"\b(?:half|quarter|past|noon|midday|midnight|morning|afternoon|evening|night|now|later)\b")
"""Words for a time that no clock shows."""
EMPTY: Final[Sequence[JsonValue]] = (None, "", {}, [], True)
"""Answers that tell nothing of what was done."""


def _off_offer(lesson: Lesson) -> str | None:
    """Find a call that no tool on offer takes."""
    last = len(lesson.before)
    faults = Schema().faults(played(lesson, lesson.wanted))
    return next((fault.detail for fault in faults if fault.place == last), None)


def _from_nowhere(lesson: Lesson) -> str | None:
    """Find a value that nobody said and no tool answered, a short one as well."""
    for call, argument, value, source in _origins(lesson):
        known = source not in UNTOLD or _shortened(str(value), lesson) or _may_be_meant(str(value), lesson)
        if not known:
            return f"{call.name}({argument}={str(value)[:SHOWN]!r}): the value stands nowhere before"
        if is_composed(value) and (strange := ground_of(lesson).strange_number(ClosingText(text=str(value)))):
            return f"{call.name}({argument}=…): nothing before has {strange[:SHOWN]!r}"
    return None


def _origins(lesson: Lesson) -> Iterator[tuple[Call, str, JsonValue, str]]:
    """Follow the conversation as the data-flow checker does; what the assistant said itself counts as said."""
    trajectory = played(lesson, lesson.wanted)
    origins = Origins(task_of_trace(trajectory), trajectory)
    origins.hear("\n".join(message.content for message in lesson.before if message.role not in ("tool", "user")))
    for turn in turns_of(played(lesson)):
        origins.hear(turn.user.content)
        for step in turn.steps:
            origins.see(step)
    for call in lesson.wanted.calls:
        for argument, whole in leaves(dict(call.arguments)):
            for value, (source, _) in origins.of(call, argument, whole):
                yield call, argument, value, source


def _shortened(value: str, lesson: Lesson) -> bool:
    """Whether every word of a name was said, or its beginning, or the name by its initials."""
    words = [word for word in WORD.findall(value.casefold()) if not word.isdecimal()]
    if not words or len(words) < len(WORD.findall(value)):
        return False
    heard = {word for message in lesson.before for word in WORD.findall(message.content.casefold())}
    begun = (any(len(said) >= PREFIX and word.startswith(said) for said in heard) for word in words)
    return all(begun) or (len(words) > 1 and "".join(word[0] for word in words) in heard)


def _may_be_meant(value: str, lesson: Lesson) -> bool:
    """Whether a date or a time may be meant by words that only a calendar or a person can read."""
    moment = read_moment(value)
    if moment is None:
        return False
    text = "\n".join(message.content for message in lesson.before)
    day, time = moment
    return (day is None or _day_said(day.day, value, text)) and (time is None or _time_said(value, text))


def _day_said(number: int, value: str, text: str) -> bool:
    folded = text.casefold()
    if ordinals := {int(ordinal) for ordinal in ORDINAL.findall(folded)}:
        return number in ordinals
    said = [day for _, day in days(text)]
    return any(day.fits(one) for day in said for _, one in days(value)) or (
        not said and RELATIVE.search(folded) is not None
    )


def _time_said(value: str, text: str) -> bool:
    said = {time for _, time in times(text)}
    hours = {number for number in SaidText(text=text).numbers if 0 < number <= 12}  # noqa: PLR2004 - "at seven"
    wanted = {time for _, time in times(value)}
    if said & wanted or any(time % 60 == 0 and (time // 60 - 1) % 12 + 1 in hours for time in wanted):
        return True
    return not said and LOOSE.search(text.casefold()) is not None


def _other_choice(lesson: Lesson) -> str | None:
    """Find a value of a parameter's list that nobody said, where another one of that list was."""
    said = SaidText(text="\n".join(message.content for message in lesson.before if message.role in ("system", "user")))
    results = "\n".join(message.content.casefold() for message in lesson.before if message.role == "tool")
    for call in lesson.wanted.calls:
        for name, value in call.arguments.items():
            schema = _parameter(lesson, call.name, name)
            choices = schema.get("enum")
            if not isinstance(choices, list) or value not in choices or value == schema.get("default"):
                continue
            if said.says(value) or contains(results, str(value).casefold()):
                continue
            if other := next((choice for choice in choices if said.says(choice)), None):
                return f"{call.name}({name}={str(value)[:SHOWN]!r}): what was said is {str(other)[:SHOWN]!r}"
    return None


def _parameter(lesson: Lesson, tool: str, name: str) -> Mapping[str, JsonValue]:
    offered = lesson.catalogue.find(tool)
    properties = offered.parameters.get("properties") if offered else None
    schema = properties.get(name) if isinstance(properties, dict) else None
    return schema if isinstance(schema, dict) else {}


def _other_field(lesson: Lesson) -> str | None:
    """Find a value that results have only in a field of another name, and that the user did not just say."""
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows_before(lesson):
        for name, value in row.items():
            if isinstance(value, str) and any(letter.isalpha() for letter in value):
                fields[value.casefold()].add(name)
    known = set(chain.from_iterable(fields.values()))
    request = SaidText(text=lesson.request)
    for call in lesson.wanted.calls:
        for name, value in call.arguments.items():
            others = fields.get(str(value).casefold(), set())
            if name in known and others and name not in others and not request.says(value) and not _akin(name, others):
                return f"{call.name}({name}={str(value)[:SHOWN]!r}): the tools have it as {min(others)}"
    return None


def _akin(name: str, others: set[str]) -> bool:
    """Whether names of fields share a word: home_city and city."""
    words = {*words_of_name(name)}
    return any(words & {*words_of_name(other)} for other in others)


def words_of_name(name: str) -> list[str]:
    """Cut a name of a tool or a field into its words."""
    return WORD.findall(HUMP.sub(" ", name).replace("_", " ").casefold())


def _failed_before(lesson: Lesson) -> str | None:
    """Find a call that was answered with an error, where nothing has happened since."""
    wanted = {canonical([call.name, dict(call.arguments)]) for call in lesson.wanted.calls}
    failed: set[str] = set()
    for call, answer in answered(lesson):
        spelled = canonical([call.name, dict(call.arguments)])
        failed = failed | {spelled} if is_error(answer) else set()
    return "the same call was just answered with an error" if wanted & failed else None


def _against_plan(lesson: Lesson) -> str | None:
    """Hold wanted calls to the task's own plan: each does what a call of the turn's plan does, or answers so."""
    task, turn = lesson.task, sum(message.role == "user" for message in lesson.before)
    if task is None or not task.plan or not 0 < turn <= len(task.turns):
        return None
    plan = plan_of(task)
    if plan.fault:
        return None
    planned, called = plan.turns[turn - 1], [call for message in lesson.before for call in message.calls]
    answers = {canonical(result.value) for result in planned.results if result.value not in EMPTY}
    for call in lesson.wanted.calls:
        world = _at(lesson, called)
        result, called = world.call(call), [*called, call]
        if not result.ok:
            return f"{call.name} is answered with an error: {str(result.value)[:SHOWN]}"
        if canonical(result.value) not in answers and not any(
            _same_effect(_at(lesson, called[:-1]), world, other) for other in planned.calls
        ):
            return f"{call.name} does not do what this turn of the task needs"
    return None


def _at(lesson: Lesson, called: Sequence[Call]) -> BackendWorld:
    """Open the task's world and bring it to where calls lead."""
    assert lesson.task is not None
    world = open_world(lesson.task.backends, lesson.task.initial)
    for call in called:
        world.repeat(call)
    return world


def _same_effect(before: BackendWorld, after: BackendWorld, planned: Call) -> bool:
    """Whether a planned call leads where another one led."""
    return before.call(planned).ok and before.stands_at(after.snapshot()) and before.places() == after.places()


CHECKS: Final = (_off_offer, _from_nowhere, _other_choice, _other_field, _failed_before, _against_plan)
