"""Corrections: from what a person says of an answer to something that can be learned.

`accept_feedback` takes a payload from outside, checks it, and keeps it. What it teaches is decided when it is needed:
an answer that was right, or an answer as it should have been, is a row whose last message alone is learned, and an
answer as it should have been is preferred to the one that was given. What cannot be grounded teaches nothing, and says
why: a thumb down says what was wrong and not what is right; a corrected call that no tool on offer takes, whose values
stand nowhere in the conversation, or that another correction contradicts, is doubted and named.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from loop.canonical import canonical, digest
from loop.errors import ConfigError, NotFound
from loop.plan import PlanError, run
from loop.store import Store
from loop.store.corrections import Correction, CorrectionKind, Told
from loop.store.traces import CORRECTION, Kept, Provenance
from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.filters.origins import Origins
from loop.traces.filters.schema import Schema
from loop.traces.importing import split_of, task_of, trajectory_of
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace, Trace
from loop.traces.untrusted import mapping, sequence, word
from loop.types import Catalogue, End, Message, Record, Split, Task, Trajectory
from task_generators.backends.worlds import open_world

ALIKE: Final = 0.6
"""Share of the words of a corrected message that an answer must have, in order, to count as that message."""


class Taken(Record):
    """What became of a payload."""

    id: int
    grounded: bool
    """Whether something can be learned from it."""
    reason: str


class Lesson(NamedTuple):
    """What can be learned from one correction."""

    id: int
    before: tuple[Message, ...]
    """The conversation up to the answer."""
    wanted: Message
    rejected: Message | None
    """The answer that was given, where another is preferred to it."""
    catalogue: Catalogue
    task: Task | None
    """The task that was played; None where the conversation is somebody's own."""
    origin: str | None


class Skipped(NamedTuple):
    """A correction from which nothing can be learned, and why."""

    id: int
    reason: str
    doubted: bool
    """Whether it speaks against itself: what it asks for is wrong as far as can be seen."""


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
    found = _ground(store, Told(number, correction))
    if isinstance(found, Skipped):
        return Taken(id=number, grounded=False, reason=found.reason)
    return Taken(id=number, grounded=True, reason="it can be learned")


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
    for number, each in enumerate(sequence(request.get("messages"), "messages")):
        chat.hear(conversation, each, f"messages[{number}]")
    return conversation.finished(), catalogue(request.get("tools"))


# --- what can be learned ---------------------------------------------------------------------------------------------


def lessons(store: Store) -> tuple[list[Lesson], list[Skipped]]:
    """Say what can be learned from all corrections, and of each other one why not."""
    learnable: list[Lesson] = []
    skipped: list[Skipped] = []
    for told in store.corrections.all():
        found = _ground(store, told)
        if isinstance(found, Lesson):
            learnable.append(found)
        else:
            skipped.append(found)
    contradicted = _contradicted(learnable)
    skipped += [Skipped(each.id, contradicted[each.id], doubted=True) for each in learnable if each.id in contradicted]
    return [each for each in learnable if each.id not in contradicted], skipped


def _ground(store: Store, told: Told) -> Lesson | Skipped:
    number, correction = told
    try:
        messages, tools, task = _play(store, correction)
        place = _place(messages, correction.place)
    except (NotATrace, NotFound) as error:
        return Skipped(number, str(error), doubted=False)
    given = messages[place]
    if correction.kind is CorrectionKind.UP:
        lesson = Lesson(number, messages[:place], given, None, tools, task, correction.trajectory)
    elif correction.message is None:
        return Skipped(number, f"'{correction.kind}' does not say what would have been right", doubted=False)
    else:
        wanted, rejected = correction.message, given if given != correction.message else None
        lesson = Lesson(number, messages[:place], wanted, rejected, tools, task, correction.trajectory)
    reason = _doubt(lesson)
    return Skipped(number, reason, doubted=True) if reason else lesson


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


def _doubt(lesson: Lesson) -> str | None:
    """Say why what is wanted cannot be right, as far as the conversation and the task can tell."""
    told = Trajectory(
        task="",
        player="",
        end=End.CLOSED,
        messages=(*lesson.before, lesson.wanted),
        catalogue=lesson.catalogue,
    )
    last = len(lesson.before)
    for judge in (Schema(), Origins(most=0)):
        for fault in judge.faults(told):
            if fault.place == last and lesson.wanted.calls:
                return fault.detail
    return _against_plan(lesson)


def _against_plan(lesson: Lesson) -> str | None:
    """Hold wanted calls to the task's own plan, where one is known: they must bring about what a call of it does."""
    task = lesson.task
    turn = sum(message.role == "user" for message in lesson.before)
    if task is None or not task.plan or not lesson.wanted.calls or not 0 < turn <= len(task.turns):
        return None
    try:
        planned = run(task, open_world(task.backends, task.initial))[turn - 1][1]
    except (PlanError, IndexError):
        return None
    world = open_world(task.backends, task.initial)
    for call in (call for message in lesson.before for call in message.calls):
        world.call(call)
    wanted = {canonical(result.value) for result in planned}
    for call in lesson.wanted.calls:
        result = world.call(call)
        if not result.ok or canonical(result.value) not in wanted:
            return f"{call.name} does not answer what this turn of the task needs"
    return None


def _contradicted(found: Sequence[Lesson]) -> dict[int, str]:
    """Find lessons that want different calls at the same point: the fewer of them are doubted, or all where even."""
    points: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for lesson in found:
        said: list[JsonValue] = [[m.role, m.content, _answer(m) if m.calls else ""] for m in lesson.before]
        points[canonical([*said, lesson.catalogue.id])][_answer(lesson.wanted)].append(lesson.id)
    doubted: dict[int, str] = {}
    for answers in points.values():
        sizes = sorted(map(len, answers.values()), reverse=True)
        if len(sizes) < 2:  # noqa: PLR2004 - one answer contradicts nothing
            continue
        for ids in answers.values():
            if len(ids) < sizes[0] or sizes[0] == sizes[1]:
                doubted.update(dict.fromkeys(ids, "another correction of the same answer wants something else"))
    return doubted


def _answer(message: Message) -> str:
    """Spell what a message does: its calls, or its words where it makes none."""
    calls: list[JsonValue] = [[call.name, dict(call.arguments)] for call in message.calls]
    words: list[JsonValue] = [*message.content.casefold().split()]
    return canonical(calls or words)


def keep(store: Store) -> int:
    """Keep every lesson as a trajectory whose last message alone is learned, and say how many are new."""
    learnable, _ = lessons(store)
    return store.traces.keep([_kept(lesson) for lesson in learnable])


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


def has_learned(answer: Message, wanted: Message) -> bool:
    """Whether an answer is the one that a correction wants: the same calls, or most of the same words."""
    if wanted.calls or answer.calls:
        return bool(wanted.calls) and _answer(answer) == _answer(wanted)
    one, other = answer.content.casefold().split(), wanted.content.casefold().split()
    return SequenceMatcher(None, one, other).ratio() >= ALIKE
