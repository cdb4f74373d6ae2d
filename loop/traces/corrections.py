"""Corrections: from what a person says of an answer to something that can be learned.

`accept_feedback` takes a payload from outside, checks it, and keeps it. What it teaches is decided when it is needed:
an answer that was right, or an answer as it should have been, is a row whose last message alone is learned, and an
answer as it should have been is preferred to the one that was given. A thumb down teaches nothing: it says what was
wrong and not what is right. A correction is doubted, and named with the reason, where it cannot be right by itself
(`loop.traces.grounding`), where others speak against it (`loop.traces.precedents`), or where a gate found it at fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import digest
from loop.errors import CheckNegative, ConfigError, NotFound
from loop.store import Store
from loop.store.corrections import Correction, CorrectionKind, NumberedCorrection
from loop.store.traces import CORRECTION, Kept, Provenance
from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.grounding.doubts import doubt
from loop.traces.importing import split_of, task_of, trajectory_of
from loop.traces.lessons import Lesson, Skipped
from loop.traces.precedents import Objection, accepted, contradicted, superseded, uncommon
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace, Trace
from loop.traces.untrusted import mapping, sequence, word
from loop.types import Catalogue, Message, Record, Split, Task

PLAYS: Final = 200
"""Accepted plays that corrections are held against, the latest."""
SUSPECTED: Final = "corrections.suspected"
"""The event that names corrections that a gate found at fault."""
SETTLED: Final = "corrections.settled"
"""The event that says what a person decided about a correction: that it is right, or withdrawn."""


class Taken(Record):
    """What became of a payload."""

    id: int
    grounded: bool
    """Whether something can be learned from it."""
    reason: str


def accept_feedback(store: Store, payload: Mapping[str, JsonValue], now: int) -> Taken:
    """Keep what somebody says of an answer.

    The payload names the answer (`trajectory` and, where it is not the last, `place`; or `messages` with `tools`),
    says `kind` (up, down, edit, retry, override) and, where it knows, the answer as it should have been (`message`, as
    OpenAI spells an assistant's). `author` and `note` are kept with it.

    Args:
        store: where it is kept.
        payload: what came from outside.
        now: microseconds since the epoch.

    Raises:
        ConfigError: the payload is not right; the message names the field.
        NotFound: there is no such trajectory.
    """
    try:
        correction = _correction(store, payload, now)
    except NotATrace as error:
        raise ConfigError(f"feedback: {error}") from error
    number = store.corrections.add(correction)
    outcome = _ground(store, NumberedCorrection(number, correction))
    if isinstance(outcome, Lesson):
        return Taken(id=number, grounded=True, reason="it can be learned")
    reason = outcome.reason if isinstance(outcome, Skipped) else _silent(number, correction.kind).reason
    return Taken(id=number, grounded=False, reason=reason)


def _correction(store: Store, payload: Mapping[str, JsonValue], now: int) -> Correction:
    known = {"trajectory", "place", "kind", "message", "messages", "tools", "author", "note"}
    if strange := sorted(set(payload) - known):
        raise NotATrace(f"'{strange[0][:40]}' is not a field. Known: {', '.join(sorted(known))}")
    kind, place = word(payload.get("kind")), payload.get("place")
    if kind not in list(CorrectionKind):
        raise NotATrace(f"kind is '{kind[:40]}'. Known: {', '.join(CorrectionKind)}")
    if place is not None and (not isinstance(place, int) or isinstance(place, bool) or place < 0):
        raise NotATrace("place is not a message number")
    message = payload.get("message")
    trajectory, request = _answered(store, payload)
    return Correction(
        kind=CorrectionKind(kind),
        trajectory=trajectory,
        place=place,
        author=word(payload.get("author")),
        note=word(payload.get("note")),
        request=request,
        message=None if message is None else _message(message),
        said=now,
    )


def _answered(store: Store, payload: Mapping[str, JsonValue]) -> tuple[str | None, dict[str, JsonValue]]:
    """Find the conversation: a trajectory of ours, or one that the payload brings."""
    if payload.get("trajectory") is not None:
        return store.trajectories.get(word(payload["trajectory"])).id, {}
    request: dict[str, JsonValue] = {"messages": sequence(payload.get("messages"), "messages")}
    if payload.get("tools") is not None:
        request["tools"] = payload["tools"]
    _conversation(request)
    return None, request


def _message(value: JsonValue) -> Message:
    """Read an assistant's message.

    Raises:
        NotATrace: it is none, or a call of it cannot be read.
    """
    conversation = Conversation()
    chat.hear(conversation, {"role": "assistant", **mapping(value, "message")}, "message")
    (message,) = conversation.finished()
    if message.fault:
        raise NotATrace(f"message: {message.fault}")
    return message


def _conversation(request: Mapping[str, JsonValue]) -> tuple[tuple[Message, ...], Catalogue]:
    conversation = Conversation()
    for number, message in enumerate(sequence(request.get("messages"), "messages")):
        chat.hear(conversation, message, f"messages[{number}]")
    return conversation.finished(), catalogue(request.get("tools"))


# --- what can be learned ---------------------------------------------------------------------------------------------


def lessons(store: Store) -> tuple[list[Lesson], list[Skipped]]:
    """Say what can be learned from all corrections, and of each other one why not."""
    learnable, objections, skipped = _grounded(store, settled(store))
    skipped += superseded([lesson for lesson in learnable if not lesson.confirmed])
    learnable = _without(learnable, skipped)
    doubted = uncommon(learnable, _precedents(store, learnable)) | contradicted(learnable, objections)
    doubted |= _suspected(store)
    skipped += [
        Skipped(lesson.id, doubted[lesson.id], doubted=True)
        for lesson in learnable
        if lesson.id in doubted and not lesson.confirmed
    ]
    return _without(learnable, skipped), skipped


def settle(store: Store, number: int, *, right: bool, author: str = "", note: str = "") -> None:
    """Keep what a person decided about a correction after a look at it: that it is right after all, or withdrawn.

    Raises:
        NotFound: there is no such correction.
        CheckNegative: it teaches nothing that could be right.
    """
    numbered = next(iter(store.corrections.all(number - 1)), None)
    if numbered is None or numbered.id != number:
        raise NotFound(f"There is no correction {number}. See: loopd correction list")
    outcome = _ground(store, numbered, trusted=right)
    if right and not isinstance(outcome, Lesson):
        reason = outcome.reason if isinstance(outcome, Skipped) else _silent(number, numbered.correction.kind).reason
        raise CheckNegative(f"Correction {number} teaches nothing: {reason}.")
    store.events.record(SETTLED, correction=number, right=right, author=author, note=note)


def settled(store: Store) -> dict[int, bool]:
    """Say which corrections a person has looked at, and whether they are right."""
    return {
        int(str(event.fields["correction"])): bool(event.fields["right"]) for event in store.events.read(kind=SETTLED)
    }


def _grounded(store: Store, rulings: Mapping[int, bool]) -> tuple[list[Lesson], list[Objection], list[Skipped]]:
    learnable: list[Lesson] = []
    objections: list[Objection] = []
    skipped: list[Skipped] = []
    for numbered in store.corrections.all():
        if rulings.get(numbered.id) is False:
            skipped.append(Skipped(numbered.id, "it was withdrawn", doubted=False))
            continue
        outcome = _ground(store, numbered, trusted=numbered.id in rulings)
        match outcome:
            case Lesson():
                learnable.append(outcome._replace(confirmed=numbered.id in rulings))
            case Objection():
                objections.append(outcome)
                skipped.append(_silent(outcome.id, numbered.correction.kind))
            case Skipped():
                skipped.append(outcome)
    return learnable, objections, skipped


def _without(learnable: Sequence[Lesson], skipped: Sequence[Skipped]) -> list[Lesson]:
    out = {correction.id for correction in skipped}
    return [lesson for lesson in learnable if lesson.id not in out]


def _precedents(store: Store, learnable: Sequence[Lesson]) -> Iterator[Lesson]:
    """Give what accepted plays did with the tools of corrections that no plan can judge."""
    shown = {lesson.catalogue.id for lesson in learnable if lesson.task is None or not lesson.task.plan}
    return accepted(store.trajectories.passed_with(sorted(shown), PLAYS))


def _suspected(store: Store) -> dict[int, str]:
    """Say which corrections a gate found at fault."""
    return {
        int(str(item["correction"])): str(item["reason"])
        for event in store.events.read(kind=SUSPECTED)
        for item in sequence(event.fields.get("suspected"), "suspected")
        if isinstance(item, dict)
    }


def _ground(store: Store, numbered: NumberedCorrection, *, trusted: bool = False) -> Lesson | Objection | Skipped:
    """Read one correction by itself, and hold it to what its conversation tells, unless a person has done so."""
    number, correction = numbered
    try:
        messages, tools, task = _play(store, correction)
        place = _place(messages, correction.place)
    except (NotATrace, NotFound) as error:
        return Skipped(number, str(error), doubted=False)
    given = messages[place]
    lesson = Lesson(number, messages[:place], given, None, tools, task, correction.trajectory, correction.author)
    if correction.message is not None:
        rejected = given if given != correction.message else None
        lesson = lesson._replace(wanted=correction.message, rejected=rejected)
    elif correction.kind is CorrectionKind.DOWN:
        return Objection(number, lesson)
    elif correction.kind is not CorrectionKind.UP:
        return _silent(number, correction.kind)
    reason = None if trusted else doubt(lesson)
    return Skipped(number, reason, doubted=True) if reason else lesson


def _silent(number: int, kind: CorrectionKind) -> Skipped:
    return Skipped(number, f"'{kind}' does not say what would have been right", doubted=False)


def _play(store: Store, correction: Correction) -> tuple[tuple[Message, ...], Catalogue, Task | None]:
    if correction.trajectory is None:
        return *_conversation(correction.request), None
    shown = store.trajectories.get(correction.trajectory)
    return shown.trajectory.messages, shown.trajectory.catalogue, shown.task


def _place(messages: Sequence[Message], place: int | None) -> int:
    said = [number for number, message in enumerate(messages) if message.role == "assistant"]
    if place is None and said:
        return said[-1]
    if place not in said:
        raise NotATrace(f"message {place} is not an answer by the assistant; answers are {said[:20]}")
    return place


def keep(store: Store) -> int:
    """Keep every lesson as a trajectory whose last message alone is learned, and say how many are new."""
    learnable, _ = lessons(store)
    return store.traces.keep([_kept(lesson) for lesson in learnable])


def sound(store: Store) -> set[str]:
    """Name the rows of corrections that still teach something: later ones may have brought an earlier into doubt."""
    return {_kept(lesson).id for lesson in lessons(store)[0]}


def _kept(lesson: Lesson) -> Kept:
    before = tuple(m.model_copy(update={"learned": False}) if m.role == "assistant" else m for m in lesson.before)
    messages = (*before, lesson.wanted.model_copy(update={"learned": True}))
    group = lesson.task.leak_group if lesson.task else f"correction/{lesson.id}"
    split = lesson.task.split if lesson.task else split_of(group, 0)
    task = task_of(messages, lesson.catalogue, group, split, source=f"correction {lesson.id}")
    return Kept(
        id=digest(["correction", lesson.id, [message.model_dump(mode="json") for message in messages]]),
        task=task,
        trajectory=trajectory_of(task, Trace(messages=messages), lesson.catalogue),
        provenance=Provenance(
            format="feedback", source=f"correction {lesson.id}", origin=lesson.origin, arm=CORRECTION
        ),
    )


def pairs(store: Store) -> Iterator[dict[str, Any]]:
    """Give preference pairs as TRL's DPO takes them: `prompt`, `chosen`, `rejected`, `tools`."""
    from loop.dataset.chat_format import messages, tools  # noqa: PLC0415 - only an export needs it

    for lesson in lessons(store)[0]:
        if lesson.rejected is not None and (lesson.task is None or lesson.task.split is Split.TRAIN):
            yield {
                "prompt": [*messages(lesson.before, lesson.catalogue)],
                "chosen": [*messages([lesson.wanted], lesson.catalogue)],
                "rejected": [*messages([lesson.rejected], lesson.catalogue)],
                "tools": tools(lesson.before, lesson.catalogue),
            }
