"""The arm `synthesized`: new conversations beside those that were imported, so that few traces teach more.

Where what tools answered makes a world (`loop.traces.worlds`), tasks are asked in it in the words of the traces, their
plans are played, and what the checkers of plays accept is kept. Where it makes none, the configured teachers write
conversations (`loop.traces.authoring`). Either way they are training rows and nothing else: no gate measures with them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loop.canonical import digest
from loop.errors import CheckNegative, ConfigError
from loop.plugins import load
from loop.rollout.play import play
from loop.store import Store
from loop.store.traces import Kept, Provenance
from loop.traces.arms import FILTERED, SYNTHESIZED
from loop.traces.authoring import Author
from loop.traces.filtering import Filter
from loop.traces.importing import task_of, trajectory_of
from loop.traces.synthesis import Worded, arms_in, frames_of, task_in
from loop.traces.trace import Trace
from loop.traces.worlds import world_of
from loop.types import Catalogue, Checker, Part, Play, Record, Split, Task, Trajectory
from teachers.base.teacher import Teacher

CHECKERS: Final = ("outcome", "dataflow", "stop", "format", "answer")
"""Checkers that a play in a world of traces must pass."""
SYSTEM: Final = "Act."
TRIES: Final = 4
"""Tasks that are drawn for each that is wanted: a small world asks the same twice."""


class Widened(Record):
    """What was made."""

    things: int
    """Rows of the world; 0 where none could be built."""
    wordings: int
    played: int
    """Plays of tasks in the world."""
    written: int
    """Conversations by teachers."""
    kept: int
    """Those that were not there before."""
    refused: Mapping[str, int]
    """What was not kept, by reason."""


def widen(  # noqa: PLR0913 - each is an option of the command
    store: Store,
    count: int,
    seed: int,
    chosen: Sequence[Filter],
    *,
    today: Catalogue | None = None,
    teachers: Sequence[Teacher] = (),
) -> Widened:
    """Make new conversations of the traces that filters accepted.

    Args:
        store: where the traces are, and where the new ones are kept.
        count: how many are wanted.
        seed: decides which.
        chosen: filters that what teachers write must pass.
        today: today's tools; None for those that most traces show.
        teachers: who writes where no world can be built.

    Raises:
        CheckNegative: no trace is accepted, or no world can be built and there is no teacher.
    """
    sample = [lesson.trajectory for lesson in store.traces.lessons(FILTERED)]
    if not sample:
        raise CheckNegative("No trace is accepted by every filter yet. Run: loopd trace filter")
    catalogue = today or _usual(sample)
    refused = Counter[str]()
    worded = world_in(sample, catalogue)
    if worded is not None:
        plays = list(played(worded, count, seed, refused))
        kept = store.traces.keep([_kept(task, trajectory, "played") for task, trajectory in plays])
        return _widened(worded, refused, played=len(plays), kept=kept)
    if not teachers:
        raise CheckNegative(
            "The tools' results contain nothing to build a world from, and no teacher that asks a model is configured "
            "to write conversations. See: loopd teacher list"
        )
    author = Author(teachers, sample, catalogue, chosen)
    written = [_written(item.trajectory, item.teacher) for item in author.write(count, seed)]
    return _widened(None, author.refused, written=len(written), kept=store.traces.keep(written))


def _usual(sample: Sequence[Trajectory]) -> Catalogue:
    """Give the tools that most traces show."""
    shown = {item.catalogue.id: item.catalogue for item in sample}
    return shown[Counter(item.catalogue.id for item in sample).most_common(1)[0][0]]


def _widened(worded: Worded | None, refused: Counter[str], *, kept: int, played: int = 0, written: int = 0) -> Widened:
    sizes = (len(worded.world.rows), len(worded.frames)) if worded else (0, 0)
    reasons = dict(refused.most_common(20))
    return Widened(things=sizes[0], wordings=sizes[1], played=played, written=written, kept=kept, refused=reasons)


def world_in(sample: Sequence[Trajectory], catalogue: Catalogue) -> Worded | None:
    """Build the world of what tools answered; None where nothing can be asked in it."""
    world = world_of(sample, catalogue)
    worded = Worded(world=world, frames=frames_of(sample, world)) if world else None
    if worded is None or not arms_in(worded):
        return None
    try:
        task_in(worded, arms_in(worded)[0], 0)
    except ConfigError:  # too few things or wordings to deal some out to training
        return None
    return worded


def played(worded: Worded, count: int, seed: int, refused: Counter[str]) -> Iterator[tuple[Task, Trajectory]]:
    """Play the plans of tasks in a world, and give those that every checker accepts, no task twice.

    Args:
        worded: the world, and the words in which it is asked about.
        count: at most so many.
        seed: decides which.
        refused: counts what a checker refused, by its name.
    """
    checkers: list[Checker] = [load("checkers", Part(use=name)) for name in CHECKERS]
    arms, known = arms_in(worded), set[str]()
    for number in range(count * TRIES):
        task = task_in(worded, arms[number % len(arms)], seed * count * TRIES + number)
        if len(known) == count:
            return
        if task.id in known:
            continue
        owed = Play(id="", round=0, task=task, player=Part(use="scripted"), player_name="scripted", system=SYSTEM)
        trajectory = play(owed)
        against = next((checker.name for checker in checkers if not checker.check(task, trajectory).passed), None)
        if against is None:
            known.add(task.id)
            yield task, trajectory
        else:
            refused[against] += 1


def _kept(task: Task, trajectory: Trajectory, how: str, teacher: str = "") -> Kept:
    messages = tuple(message for message in trajectory.messages if message.role != "system")
    return Kept(
        id=digest([SYNTHESIZED, task.id, [message.model_dump(mode="json") for message in messages]]),
        task=task,
        trajectory=trajectory_of(task, Trace(messages=messages), trajectory.catalogue),
        provenance=Provenance(format=SYNTHESIZED, source=how, model=teacher, arm=SYNTHESIZED),
    )


def _written(trajectory: Trajectory, teacher: str) -> Kept:
    group = f"{SYNTHESIZED}/{digest([message.model_dump(mode='json') for message in trajectory.messages])[:24]}"
    task = task_of(trajectory.messages, trajectory.catalogue, group, Split.TRAIN)
    return _kept(task, trajectory, "written", teacher)
