"""The arms: what is made of the imported traces before anybody learns from them.

`direct` takes them as they are. `filtered` takes those that every filter accepts, and of the others what is right in
them: a message that a filter refused is read as context and not learned. `relabelled` puts right what a trace itself
tells (`loop.traces.mending`) before it is filtered. `synthesized` adds new conversations to those that every filter
accepts (`loop.traces.widening`). What is made of a trace is a trajectory of its own, with the trace
as its origin.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from loop.canonical import digest
from loop.store import Store
from loop.store.traces import DIRECT, Kept
from loop.traces.filtering import WHOLE, Filter, faulty
from loop.traces.habits import Habits
from loop.traces.importing import trajectory_of
from loop.traces.judging import voted
from loop.traces.mending import Change, mended
from loop.traces.sifting import judge, required
from loop.traces.trace import Trace
from loop.types import Catalogue, Record, Trajectory, Verdict
from teachers.base.teacher import Teacher

FILTERED: Final = "filtered"
RELABELLED: Final = "relabelled"
SYNTHESIZED: Final = "synthesized"
ARMS: Final = (DIRECT, FILTERED, RELABELLED, SYNTHESIZED)


class ArmSummary(Record):
    """What was made of the traces."""

    taken: int
    """Traces that are in the arm as they are."""
    made: int
    """Traces of which a part is learned, or that were put right."""
    dropped: int
    """Traces of which nothing is left to learn."""
    changes: int
    """Messages that were put right."""
    unlearned: int
    """Messages that are context only."""


def make(
    store: Store, arm: str, chosen: Sequence[Filter], today: Catalogue, committee: Sequence[Teacher] = ()
) -> ArmSummary:
    """Make an arm of everything that was imported and judged. Making it twice makes nothing new.

    Where there is a committee, it says anew what filters still refuse in `relabelled`.
    """
    direct = list(store.traces.all(arm=DIRECT))
    habits = _habits(direct, chosen) if arm == RELABELLED else Habits()
    plays = [_mended(kept.trajectory, habits, today, arm) for kept in direct]
    if committee and arm == RELABELLED:
        plays = [_voted(play, changes, committee, chosen) for play, changes in plays]
    counts = {"taken": 0, "made": 0, "dropped": 0, "changes": 0, "unlearned": 0}
    fresh: list[Kept] = []
    verdicts = judge([(kept.id, play) for kept, (play, _) in zip(direct, plays, strict=True)], chosen)
    judged: list[tuple[str, list[Verdict]]] = []
    for kept, (play, changes), given in zip(direct, plays, verdicts, strict=True):
        whole = faulty(given)
        if not whole and not changes:
            counts["taken"] += 1
            continue
        left = partly(play, whole)
        if left is None:
            counts["dropped"] += 1
            continue
        every_change = [*changes, *_unlearned(given)]
        fresh.append(_made(kept, left, arm, every_change))
        judged.append((fresh[-1].id, [] if whole else given))
        counts["made"] += 1
        counts["changes"] += len(changes)
        counts["unlearned"] += len(every_change) - len(changes)
    store.traces.keep(fresh)
    for name, given in judged:
        if given:
            store.verdicts.record(name, given, required(chosen))
    return ArmSummary(**counts)


def partly(trajectory: Trajectory, wrong: frozenset[int]) -> Trajectory | None:
    """Take the loss off the messages that are wrong; None where nothing, or only a fragment, is left to learn."""
    if WHOLE in wrong:
        return None
    messages = tuple(
        message.model_copy(update={"learned": False}) if message.role == "assistant" and index in wrong else message
        for index, message in enumerate(trajectory.messages)
    )
    learned = any(message.role == "assistant" and message.learned for message in messages)
    return trajectory.model_copy(update={"messages": messages}) if learned else None


def _habits(direct: Sequence[Kept], chosen: Sequence[Filter]) -> Habits:
    """Learn how tools are used from the calls with which no filter finds fault."""
    given = judge([(kept.id, kept.trajectory) for kept in direct], chosen)
    wrong = {number: faulty(verdicts) for number, verdicts in enumerate(given)}
    return Habits.of((kept.trajectory for kept in direct), wrong)


def _mended(
    trajectory: Trajectory, habits: Habits, today: Catalogue, arm: str
) -> tuple[Trajectory, tuple[Change, ...]]:
    if arm != RELABELLED:
        return trajectory, ()
    done = mended(trajectory, habits, today if today.tools else trajectory.catalogue)
    return (done.trajectory, done.changes) if done.changes else (trajectory, ())


def _voted(
    play: Trajectory, changes: tuple[Change, ...], committee: Sequence[Teacher], chosen: Sequence[Filter]
) -> tuple[Trajectory, tuple[Change, ...]]:
    done = voted(play, committee, chosen)
    return done.trajectory, (*changes, *done.changes)


def _unlearned(verdicts: Sequence[Verdict]) -> Iterator[dict[str, JsonValue]]:
    places: set[int] = set()
    for verdict in verdicts:
        listed = verdict.evidence.get("faults")
        for item in listed if isinstance(listed, list) else ():
            place = item.get("message") if isinstance(item, dict) else None
            if isinstance(item, dict) and isinstance(place, int) and place not in places:
                places.add(place)
                yield {"message": place, "how": "not learned", "why": f"{verdict.checker}: {item.get('detail')}"}


def _made(kept: Kept, trajectory: Trajectory, arm: str, changes: Sequence[dict[str, JsonValue]]) -> Kept:
    provenance = {"origin": kept.id, "arm": arm, "changes": tuple(changes)}
    trace = Trace(messages=trajectory.messages, happened=trajectory.started)
    return Kept(
        id=digest([kept.id, arm, [message.model_dump(mode="json") for message in trajectory.messages]]),
        task=kept.task,
        trajectory=trajectory_of(kept.task, trace, trajectory.catalogue),
        provenance=kept.provenance.model_copy(update=provenance),
    )
