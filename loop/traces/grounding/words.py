"""Can wanted words be right: what was said and seen, what was done, what a turn of a task asks for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from checkers.answer import Answer
from checkers.closing import speech
from checkers.closing.values import NEGATION, ClosingText, stem
from checkers.evidence.words import WORD, contains
from checkers.outcome import Outcome
from loop.canonical import canonical
from loop.traces.filters.told import UnsupportedClaims
from loop.traces.grounding.calls import words_of_name
from loop.traces.grounding.context import SHOWN, answered, ground_of, is_error, played, rows_before
from loop.traces.lessons import Lesson

CLAUSE: Final = re.compile(r"[,;:]|\bbut\b|\bthough\b")
AUXILIARY: Final = frozenset(
    ("is", "has", "have", "can", "does", "do", "are", "was", "serves", "serve", "allows", "allow", "offers", "offer")
)
"""Words of a field's name that do not say what it is about."""
TRUTH: Final = {"true": True, "yes": True, "false": False, "no": False}


def _silent(lesson: Lesson) -> str | None:
    return None if lesson.wanted.content.strip() else "it says nothing"


def _made_up(lesson: Lesson) -> str | None:
    """Find a number or a name that was neither said nor seen."""
    closing, ground = ClosingText(text=lesson.wanted.content), ground_of(lesson)
    if strange := ground.strange_number(closing) or ground.strange_name(closing):
        return f"nothing that was said or seen has {strange[:SHOWN]!r}"
    last = len(lesson.before)
    return next(
        (fault.detail for fault in UnsupportedClaims().faults(played(lesson, lesson.wanted)) if fault.place == last),
        None,
    )


def _claimed(lesson: Lesson) -> str | None:
    """Find a claim that something was done for which there is a tool, and no call that went well."""
    tools = {tool.name: {stem(word) for word in words_of_name(tool.name)} for tool in lesson.catalogue.tools}
    done = {call.name for call, answer in answered(lesson) if not is_error(answer)}
    for sentence in ClosingText(text=lesson.wanted.content).sentences:
        if speech.is_question(sentence) or speech.refusal(sentence) or speech.only_promises([sentence]):
            continue
        for word, group in speech.claims(sentence):
            words = {stem(item) for item in (word, *group)}
            doers = {name for name, own in tools.items() if own & words}
            if doers and not doers & done:
                return f"it says that something was {word}, and no call of {min(doers)} went well"
    return None


def _crossed(lesson: Lesson) -> str | None:
    """Find a value of one of several things that results tell of, told of another one."""
    rows, text = (
        list({canonical(dict(row)): row for row in rows_before(lesson)}.values()),
        lesson.wanted.content.casefold(),
    )
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


def _distinct(lesson: Lesson) -> list[Mapping[str, JsonValue]]:
    return list({canonical(dict(row)): row for row in rows_before(lesson)}.values())


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
        verdict = checker.check(short, played(lesson, lesson.wanted))
        if not verdict.passed and verdict.evidence.get("turn") == turn:
            return f"{checker.name}: {verdict.reason[:200]}"
    return None


def _denied(lesson: Lesson) -> str | None:
    """Find a field that is true or false in the results, and the other way round in the message."""
    rows = _spoken_of(lesson)
    for clause, denies in _clauses(lesson.wanted.content):
        truths = [name for name in _truths(rows) if _about(name) <= clause]
        if denies and len(truths) > 1:
            continue  # nobody can say which of them is denied
        for name in truths:
            values = {TRUTH.get(str(row.get(name)).casefold()) for row in rows}
            if values == {denies}:
                return f"the results say that {name} is {str(denies).lower()}"
    return None


def _spoken_of(lesson: Lesson) -> list[Mapping[str, JsonValue]]:
    """Give the rows that a message names; all, where it names none."""
    rows, text = list(rows_before(lesson)), lesson.wanted.content.casefold()
    label = _label(_distinct(lesson))
    named = [row for row in rows if label is not None and contains(text, str(row.get(label)).casefold())]
    return named or rows


def _clauses(text: str) -> Iterator[tuple[frozenset[str], bool]]:
    """Give the stems of every clause that states something, and whether it denies it."""
    for sentence in ClosingText(text=text).sentences:
        for clause in () if speech.is_question(sentence) else CLAUSE.split(sentence):
            yield frozenset(map(stem, WORD.findall(clause))), NEGATION.search(clause) is not None


def _truths(rows: Sequence[Mapping[str, JsonValue]]) -> list[str]:
    """Name the fields that hold true or false in every row."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if all(str(row.get(name)).casefold() in TRUTH for row in rows)]


def _about(name: str) -> frozenset[str]:
    """Say by which words a field is spoken of: of has_live_music, live and music."""
    words = words_of_name(name)
    return frozenset(stem(word) for word in words if word not in AUXILIARY) or frozenset(map(stem, words))


CHECKS: Final = (_silent, _made_up, _claimed, _crossed, _denied, _closes_nothing)
