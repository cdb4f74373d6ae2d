"""Grounding: can what a person wants of an answer be right, by what was said, what tools answered, what was asked?

Each check looks at one correction by itself and gives the reason why it is doubted. A call is held to the tools on
offer, to the origin of each of its values, to the fields in which results have them, to what the same call answered
before, and to the task's own plan, where there is one. Words are held to what was said and seen, to what was done, and
to the turn that they close. What corrections say of each other is `loop.traces.precedents`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from pydantic import JsonValue

from checkers.answer import Answer
from checkers.closing import speech
from checkers.closing.claims import HUMP
from checkers.closing.days import days, read_moment, times
from checkers.closing.ground import Ground
from checkers.closing.values import Closing, stem
from checkers.evidence.origins import Origins, read
from checkers.evidence.plans import plan_of
from checkers.evidence.turns import turns_of
from checkers.evidence.words import WORD, Said, contains, is_composed, leaves
from checkers.outcome import Outcome
from loop.canonical import canonical
from loop.traces.filters.origins import UNTOLD, task_of_trace
from loop.traces.filters.results import rows_in
from loop.traces.filters.schema import Schema
from loop.traces.filters.told import Told
from loop.traces.lessons import Lesson
from loop.types import Call, End, Message, Trajectory
from task_generators.backends.worlds import BackendWorld, open_world

Check = Callable[[Lesson], str | None]

SHOWN: Final = 60
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
ERRORS: Final = frozenset({"error", "errors", "exception"})


def doubt(lesson: Lesson) -> str | None:
    """Say why what is wanted cannot be right, as far as the conversation and the task can tell."""
    checks = CALLS if lesson.wanted.calls else WORDS
    return next((reason for check in checks if (reason := check(lesson))), None)


# --- calls -----------------------------------------------------------------------------------------------------------


def _off_offer(lesson: Lesson) -> str | None:
    """Find a call that no tool on offer takes."""
    last = len(lesson.before)
    faults = Schema().faults(_played(lesson, lesson.wanted))
    return next((fault.detail for fault in faults if fault.place == last), None)


def _from_nowhere(lesson: Lesson) -> str | None:
    """Find a value that nobody said and no tool answered, a short one as well."""
    for call, argument, value, source in _origins(lesson):
        known = source not in UNTOLD or _shortened(str(value), lesson) or _may_be_meant(str(value), lesson)
        if not known:
            return f"{call.name}({argument}={str(value)[:SHOWN]!r}): the value stands nowhere before"
        if is_composed(value) and (strange := _ground(lesson).strange_number(Closing(text=str(value)))):
            return f"{call.name}({argument}=…): nothing before has {strange[:SHOWN]!r}"
    return None


def _origins(lesson: Lesson) -> Iterator[tuple[Call, str, JsonValue, str]]:
    """Follow the conversation as the data-flow checker does; what the assistant said itself counts as said."""
    trajectory = _played(lesson, lesson.wanted)
    origins = Origins(task_of_trace(trajectory), trajectory)
    origins.hear("\n".join(message.content for message in lesson.before if message.role not in ("tool", "user")))
    for turn in turns_of(_played(lesson)):
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
    if ordinals := {int(found) for found in ORDINAL.findall(folded)}:
        return number in ordinals
    said = [day for _, day in days(text)]
    return any(day.fits(one) for day in said for _, one in days(value)) or (
        not said and RELATIVE.search(folded) is not None
    )


def _time_said(value: str, text: str) -> bool:
    said = {time for _, time in times(text)}
    hours = {number for number in Said(text=text).numbers if 0 < number <= 12}  # noqa: PLR2004 - "at seven"
    wanted = {time for _, time in times(value)}
    if said & wanted or any(time % 60 == 0 and (time // 60 - 1) % 12 + 1 in hours for time in wanted):
        return True
    return not said and LOOSE.search(text.casefold()) is not None


def _other_choice(lesson: Lesson) -> str | None:
    """Find a value of a parameter's list that nobody said, where another one of that list was."""
    said = Said(text="\n".join(message.content for message in lesson.before if message.role in ("system", "user")))
    results = "\n".join(message.content.casefold() for message in lesson.before if message.role == "tool")
    for call in lesson.wanted.calls:
        for name, value in call.arguments.items():
            schema = _parameter(lesson, call.name, name)
            choices = schema.get("enum")
            if not isinstance(choices, list) or value not in choices or value == schema.get("default"):
                continue
            if said.says(value) or contains(results, str(value).casefold()):
                continue
            if other := next((each for each in choices if said.says(each)), None):
                return f"{call.name}({name}={str(value)[:SHOWN]!r}): what was said is {str(other)[:SHOWN]!r}"
    return None


def _parameter(lesson: Lesson, tool: str, name: str) -> Mapping[str, JsonValue]:
    found = lesson.catalogue.find(tool)
    properties = found.parameters.get("properties") if found else None
    schema = properties.get(name) if isinstance(properties, dict) else None
    return schema if isinstance(schema, dict) else {}


def _other_field(lesson: Lesson) -> str | None:
    """Find a value that results have only in a field of another name, and that the user did not just say."""
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for row in _rows(lesson):
        for name, value in row.items():
            if isinstance(value, str) and any(letter.isalpha() for letter in value):
                fields[value.casefold()].add(name)
    known = set(chain.from_iterable(fields.values()))
    request = Said(text=lesson.request)
    for call in lesson.wanted.calls:
        for name, value in call.arguments.items():
            others = fields.get(str(value).casefold(), set())
            if name in known and others and name not in others and not request.says(value) and not _akin(name, others):
                return f"{call.name}({name}={str(value)[:SHOWN]!r}): the tools have it as {min(others)}"
    return None


def _akin(name: str, others: set[str]) -> bool:
    """Whether names of fields share a word: home_city and city."""
    words = {*_words(name)}
    return any(words & {*_words(other)} for other in others)


def _words(name: str) -> list[str]:
    return WORD.findall(HUMP.sub(" ", name).replace("_", " ").casefold())


def _failed_before(lesson: Lesson) -> str | None:
    """Find a call that was answered with an error, where nothing has happened since."""
    wanted = {canonical([call.name, dict(call.arguments)]) for call in lesson.wanted.calls}
    failed: set[str] = set()
    for call, answer in _answered(lesson):
        spelled = canonical([call.name, dict(call.arguments)])
        failed = failed | {spelled} if _is_error(answer) else set()
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


EMPTY: Final[Sequence[JsonValue]] = (None, "", {}, [], True)
"""Answers that tell nothing of what was done."""


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


# --- words -----------------------------------------------------------------------------------------------------------


def _silent(lesson: Lesson) -> str | None:
    return None if lesson.wanted.content.strip() else "it says nothing"


def _made_up(lesson: Lesson) -> str | None:
    """Find a number or a name that was neither said nor seen."""
    closing, ground = Closing(text=lesson.wanted.content), _ground(lesson)
    if strange := ground.strange_number(closing) or ground.strange_name(closing):
        return f"nothing that was said or seen has {strange[:SHOWN]!r}"
    last = len(lesson.before)
    return next((fault.detail for fault in Told().faults(_played(lesson, lesson.wanted)) if fault.place == last), None)


def _claimed(lesson: Lesson) -> str | None:
    """Find a claim that something was done for which there is a tool, and no call that went well."""
    tools = {tool.name: {stem(word) for word in _words(tool.name)} for tool in lesson.catalogue.tools}
    done = {call.name for call, answer in _answered(lesson) if not _is_error(answer)}
    for sentence in Closing(text=lesson.wanted.content).sentences:
        if speech.is_question(sentence) or speech.refusal(sentence) or speech.only_promises([sentence]):
            continue
        for word, group in speech.claims(sentence):
            words = {stem(each) for each in (word, *group)}
            doers = {name for name, own in tools.items() if own & words}
            if doers and not doers & done:
                return f"it says that something was {word}, and no call of {min(doers)} went well"
    return None


def _crossed(lesson: Lesson) -> str | None:
    """Find a value of one of several things that results tell of, told of another one."""
    rows, text = list({canonical(dict(row)): row for row in _rows(lesson)}.values()), lesson.wanted.content.casefold()
    label = _label(rows)
    if label is None:
        return None
    spoken = [row for row in rows if contains(text, str(row[label]).casefold())]
    if not spoken or len(spoken) == len(rows):
        return None
    own = {str(value).casefold() for row in spoken for value in row.values()}
    for row in rows:
        for name, value in row.items() if row not in spoken else ():
            folded = str(value).casefold()
            telling = len(folded) > 2 and folded not in ("true", "false") and folded not in own  # noqa: PLR2004
            if telling and contains(text, folded) and not _said_by_user(lesson, folded):
                return f"{str(value)[:SHOWN]!r} is the {name} of {str(row[label])[:SHOWN]!r}"
    return None


def _label(rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
    """Name the field that tells rows apart: the first whose values are texts, all different."""
    for name in rows[0] if len(rows) > 1 else ():
        values = [row.get(name) for row in rows]
        texts = [str(value).casefold() for value in values if isinstance(value, str) and value[:1].isalpha()]
        if len({*texts}) == len(rows):
            return name
    return None


def _said_by_user(lesson: Lesson, folded: str) -> bool:
    return any(contains(message.content.casefold(), folded) for message in lesson.before if message.role == "user")


def _closes_nothing(lesson: Lesson) -> str | None:
    """Hold words that close a turn of a task to what the task's checkers ask of that turn."""
    task, turn = lesson.task, sum(message.role == "user" for message in lesson.before)
    if task is None or not task.plan or not 0 < turn <= len(task.turns):
        return None
    short = task.model_copy(update={"turns": task.turns[:turn]})
    for checker in (Outcome(), Answer()):
        verdict = checker.check(short, _played(lesson, lesson.wanted))
        if not verdict.passed and verdict.evidence.get("turn") == turn:
            return f"{checker.name}: {verdict.reason[:200]}"
    return None


CALLS: Final[tuple[Check, ...]] = (
    _off_offer, _from_nowhere, _other_choice, _other_field, _failed_before, _against_plan,
)  # fmt: skip
WORDS: Final[tuple[Check, ...]] = (_silent, _made_up, _claimed, _crossed, _closes_nothing)


# --- what stands before ----------------------------------------------------------------------------------------------


def _played(lesson: Lesson, *more: Message) -> Trajectory:
    messages = (*lesson.before, *more)
    return Trajectory(task="", player="", end=End.CLOSED, messages=messages, catalogue=lesson.catalogue)


def _ground(lesson: Lesson) -> Ground:
    """Give what was said, seen and taken, and what the tools say of themselves."""
    ground = Ground()
    for message in lesson.before:
        ground.add(read(message.content) if message.role == "tool" else message.content)
        for call in message.calls:
            ground.add(dict(call.arguments))
    for tool in lesson.catalogue.tools:
        ground.add([tool.name, tool.description, dict(tool.parameters)])
    return ground


def _answered(lesson: Lesson) -> Iterator[tuple[Call, Message]]:
    """Give every call that was answered, with its answer."""
    for turn in turns_of(_played(lesson)):
        for step in turn.steps:
            yield from zip(step.said.calls, step.answers, strict=False)


def _rows(lesson: Lesson) -> Iterator[Mapping[str, JsonValue]]:
    return chain.from_iterable(rows_in(message.content) for message in lesson.before if message.role == "tool")


def _is_error(answer: Message) -> bool:
    """Whether a tool answered with an error. Traces do not say so beside the result."""
    if answer.ok is False or answer.fault:
        return True
    value = read(answer.content) if answer.ok is None else None
    return isinstance(value, dict) and any(bool(value.get(name)) for name in ERRORS)
