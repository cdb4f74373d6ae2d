"""What a round plays: the curriculum's requests made into tasks, tasks into owed plays; and what the plays taught."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog

from curriculum.parking import lost, returned
from curriculum.posterior import inherit, update
from curriculum.sampler import More
from loop import plugins
from loop.canonical import digest
from loop.parts import Loop
from loop.store.soundness import Flaw
from loop.types import Arm, ArmKey, Part, Play, Record, Round, Task, TaskRequest, TaskTally

log = structlog.get_logger()


class Owing(Record):
    """Tasks and the plays that they are owed."""

    tasks: tuple[Task, ...] = ()
    plays: tuple[Play, ...] = ()


def plan(loop: Loop, rnd: Round) -> Owing:
    """Ask the curriculum for a round's tasks and owe their plays. The same round and store give the same plan."""
    keys, rng = tuple(loop.arms()), random.Random(f"{rnd.seed}/{rnd.id}/sample")
    requests = loop.curriculum.pick(loop.store.arms.all(), keys, loop.config.sampling.tasks, rng, rnd.id)
    return owing(loop, rnd, requests)


def more(loop: Loop, rnd: Round) -> Owing:
    """Say who plays more, now that the verdicts are in.

    The student is asked again where that may decide; teachers are asked where it found no way. Arms that these plays
    have opened are looked at. Then arms where its chance is near nothing get further tasks that only teachers play, so
    that the dataset has something to show of them.
    """
    tallies = loop.store.verdicts.tallies(rnd)
    owing = [_owed_after(loop, rnd, tally) for tally in tallies]
    further = _further(loop, rnd, tallies)
    return Owing(tasks=further.tasks, plays=(*(play for plays in owing for play in plays), *further.plays))


def learn(loop: Loop, rnd: Round) -> None:
    """Update the arms with the round's verdicts, once. Tasks that nobody can do are left out and noted as flawed."""
    if any(arm.last_round == rnd.id for arm in loop.store.arms.all()):
        return
    tallies = loop.store.verdicts.tallies(rnd)
    suspected = {tally.task for tally in tallies if _after(loop, tally).suspected}
    for task in suspected:
        loop.store.soundness.note(Flaw(task=task, kind="unsolved", source=f"round {rnd.id}", note="nobody could do it"))
    sound = [tally for tally in tallies if tally.task not in suspected]
    barren = loop.store.verdicts.barren(rnd) if any(tally.student_plays for tally in tallies) else []
    parked: list[Arm] = []

    def change(arms: Mapping[ArmKey, Arm]) -> list[Arm]:
        parked[:] = [lost(arms.get(key) or Arm(key=key), rnd.id) for key in barren]
        return [*_learned(arms, sound, rnd), *parked]

    loop.store.arms.change(change)
    _tell_parked(loop, parked)


def _tell_parked(loop: Loop, arms: Iterable[Arm]) -> None:
    """Say which arms rest, since every play of theirs was lost to infrastructure in a round that played others."""
    for arm in arms:
        if arm.rests_until is not None:
            log.warning("arm_parked", arm=str(arm.key), rounds=arm.barren, until=arm.rests_until)
            loop.store.events.record("curriculum.parked", arm=str(arm.key), rounds=arm.barren, until=arm.rests_until)


def bequeath(loop: Loop) -> None:
    """Begin a new champion's arms with its predecessor's, so that an arm which falls afterwards is seen to fall."""
    loop.store.arms.change(lambda arms: map(inherit, arms.values()))


def _learned(arms: Mapping[ArmKey, Arm], tallies: Iterable[TaskTally], rnd: Round) -> list[Arm]:
    plays, wins, taught = Counter[ArmKey](), Counter[ArmKey](), Counter[ArmKey]()
    for tally in tallies:
        plays[tally.arm] += tally.student_plays
        wins[tally.arm] += tally.student_wins
        taught[tally.arm] += tally.teacher_plays
    before = {key: arms.get(key) or Arm(key=key) for key in plays}
    tried = {key: returned(arm) if plays[key] else arm for key, arm in before.items()}
    return [
        update(arm, wins[key], plays[key], rnd.id).model_copy(update={"teacher_plays": arm.teacher_plays + taught[key]})
        for key, arm in tried.items()
    ]


def _after(loop: Loop, tally: TaskTally) -> More:
    return loop.curriculum.more(
        plays=tally.student_plays,
        wins=tally.student_wins,
        teacher_plays=tally.teacher_plays,
        teacher_wins=tally.teacher_wins,
        teachers=len(loop.config.teachers),
    )


def _owed_after(loop: Loop, rnd: Round, tally: TaskTally) -> list[Play]:
    owed = _after(loop, tally)
    if not tally.student_plays or not (owed.samples or owed.teacher):
        return []
    task = loop.store.tasks.get(tally.task)
    student = [_student_play(loop, rnd, task, tally.student_plays + each) for each in range(owed.samples)]
    return [*student, *(teacher_plays(loop, rnd, task) if owed.teacher else ())]


def _further(loop: Loop, rnd: Round, tallies: Sequence[TaskTally]) -> Owing:
    """Look at what has opened until nothing more does; then ask for lessons, once: they may have been taught ahead."""
    keys, draw = tuple(loop.arms()), f"{rnd.seed}/{rnd.id}"
    known = {arm.key: arm for arm in loop.store.arms.all()}
    now = tuple((known | {arm.key: arm for arm in _learned(known, tallies, rnd)}).values())
    looks = loop.curriculum.look(tuple(known.values()), now, keys, random.Random(f"{draw}/look/{len(tallies)}"))
    taught = any(not tally.student_plays for tally in tallies)
    return owing(loop, rnd, looks or (() if taught else _lessons(loop, now, f"{draw}/teach")))


def lessons(loop: Loop, rnd: Round) -> tuple[TaskRequest, ...]:
    """Ask for the lessons of the round after this one, by what this one's plays have shown."""
    return _lessons(loop, tuple(loop.store.arms.all()), f"{rnd.seed}/{rnd.id}/ahead")


def _lessons(loop: Loop, arms: Sequence[Arm], draw: str) -> tuple[TaskRequest, ...]:
    sampling, keys = loop.config.sampling, tuple(loop.arms())
    return loop.curriculum.teach(arms, keys, sampling.teacher_tasks, random.Random(draw), below=sampling.hopeless)


def owing(loop: Loop, rnd: Round, requests: Sequence[TaskRequest]) -> Owing:
    """Make the tasks that were asked for, and the plays that they are owed."""
    arms = loop.arms()
    made = [(request, arms[request.arm].make(request.arm, request.seed)) for request in requests]
    plays = [play for request, task in made for play in _plays(loop, rnd, task, request)]
    return Owing(tasks=tuple(task for _, task in made), plays=tuple(plays))


def _plays(loop: Loop, rnd: Round, task: Task, request: TaskRequest) -> Iterator[Play]:
    yield from (_student_play(loop, rnd, task, sample) for sample in range(request.samples))
    if request.teacher:
        yield from teacher_plays(loop, rnd, task)


def _student_play(loop: Loop, rnd: Round, task: Task, sample: int) -> Play:
    champion = loop.champion
    part = loop.config.student.part(loop.config.student.temperature)
    return _play(loop, rnd, task, part, "student", sample).model_copy(update={"policy": champion.id})


def teacher_plays(loop: Loop, rnd: Round, task: Task) -> Iterator[Play]:
    """Owe one play of a task to every teacher."""
    for each in loop.config.teachers:
        part = Part(use=each.use, settings=each.settings)
        name = plugins.load("teachers", part).name
        yield _play(loop, rnd, task, part, name, 0)


def _play(loop: Loop, rnd: Round, task: Task, part: Part, name: str, sample: int) -> Play:  # noqa: PLR0913 - its fields
    identity = digest([rnd.id, task.id, name, sample])
    return Play(
        id=identity,
        round=rnd.id,
        task=task,
        player=part,
        player_name=name,
        sample=sample,
        seed=int(identity[:8], 16),
        rule=loop.config.rule,
        system=loop.champion.system,
    )
