"""From accepted trajectories to a candidate: choose the rows, train in a child, publish, propose."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from pydantic import JsonValue

from loop.artifacts import cards
from loop.dataset.mix import Skill, select
from loop.dataset.shares import shared
from loop.errors import Damaged, OutOfMemory, ProviderError
from loop.parts import Loop
from loop.runtime import disk
from loop.stages import room, window
from loop.stages.evaluation import external
from loop.store.traces import CORRECTION
from loop.traces.corrections import sound
from loop.types import Accepted, Dataset, Message, Policy, Round, Standing, Suite, TrainingStep
from loop.types.jobs import Began, FitResult, Halted, Job, Recipe, Stepped
from loop.weights import adapters
from task_generators.suites import suite, twin
from task_generators.suites.leaks import DatasetAudit

log = structlog.get_logger()
LEAST: Final = 256
"""Tokens at once below which a smaller micro-batch saves nothing worth the name."""
TOLD: Final = 20
"""Damaged trajectories that an event names; the log names every one."""
PLAIN: Final = "plain"
"""What a trainer calls its engine where it could not share prefixes."""


def choose(loop: Loop, rnd: Round) -> Dataset:
    """Choose this round's training rows from everything accepted so far, without what is like a gate's task."""
    rules, audit = loop.config.training.mix, DatasetAudit(measured_with(loop))
    rates = {arm.key: arm.rate for arm in loop.store.arms.all()}
    skill = Skill(rates=rates, asked=tuple(loop.store.trajectories.asked(loop.champion.id)))
    spoiled = _Spoiled()
    accepted = loop.store.trajectories.accepted(loop.required, left_out=spoiled.add)
    dataset = select(accepted, rules, seed=rnd.seed, leak=audit.leak, skill=skill)
    dataset = _with_outside(loop, dataset, rules.max_rows, rnd.seed, audit, spoiled)
    counts = {**dataset.counts, "audited_against": audit.tasks} | ({"damaged": len(spoiled.ids)} if spoiled.ids else {})
    spoiled.tell(loop, rnd)
    dataset = dataset.model_copy(update={"counts": dict(sorted(counts.items()))})
    log.info("dataset_chosen", dataset=dataset.id, size=len(dataset.rows), counts=dict(dataset.counts))
    return dataset


class _Spoiled:
    """Trajectories that are damaged, and left out of what is trained on."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def add(self, trajectory_id: str, why: Damaged) -> None:
        """Leave one out."""
        self.ids.append(trajectory_id)
        log.warning("trajectory_damaged", trajectory=trajectory_id, why=str(why))

    def tell(self, loop: Loop, rnd: Round) -> None:
        """Write down how many they are, and which come first."""
        if self.ids:
            first: list[JsonValue] = [*self.ids[:TOLD]]
            loop.store.events.record("trajectory.damaged", round=rnd.id, count=len(self.ids), first=first)


def _with_outside(  # noqa: PLR0913 - what a mix is made of
    loop: Loop, dataset: Dataset, most: int, seed: int, audit: DatasetAudit, spoiled: _Spoiled
) -> Dataset:
    """Add traces, and what people corrected, in their shares."""
    outside = loop.config.training.outside
    shares = {"traces": (outside.traces, outside.arm), "corrections": (outside.corrections, CORRECTION)}
    for name, (share, arm) in shares.items():
        rows = list(loop.store.traces.lessons(arm, spoiled.add)) if share else []
        if rows and arm == CORRECTION:
            teaching = sound(loop.store)
            rows = [row for row in rows if row.id in teaching]
        if rows:
            dataset = shared(dataset, rows, (name, share, most), seed, audit.leak)
    return dataset


def measured_with(loop: Loop) -> list[Suite]:
    """Give the gates' suites, their sealed twins, and the external ones."""
    own = dict.fromkeys(loop.suite_of(gate).name for gate in loop.gates)
    names = dict.fromkeys(name for value in own for name in (value, twin(value)) if name)
    return [*(suite(name) for name in names), *external(loop)]


def too_few(dataset: Dataset, needed: int) -> str:
    """Say why no candidate was trained."""
    return f"no candidate: {len(dataset.rows)} accepted rows, training needs {needed}"


def fit(loop: Loop, rnd: Round, dataset: Dataset) -> None:
    """Train on the dataset in a child process, publish the adapter, and only then propose it as the candidate.

    Raises:
        ProviderError: the trainer cannot go on.
    """
    scratch = loop.paths.scratch / f"round-{rnd.id}-{dataset.id[:16]}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    _wait_for_room(loop, scratch)
    champion = loop.champion  # a rollback may come while this one is trained
    job = _job(loop, rnd, champion, (dataset, scratch))
    done = _train(loop, rnd, job)
    trained = _trained_on(done.adapter, dataset)
    loop.store.datasets.note_trained(dataset, trained)
    evidence = cards.of_training(dataset, job, champion, len(trained))
    published = adapters.publish(done.adapter, loop.paths.models, base=loop.base.digest, evidence=evidence)
    policy = champion.alone.model_copy(
        update={"base": loop.base.digest, "adapter": published.id, "parent": champion.id}
    )
    loop.store.policies.add(policy, Standing.CANDIDATE, round=rnd)


def _trained_on(adapter: Path, dataset: Dataset) -> list[str]:
    """Name the rows that the training took; a trainer that names none took all."""
    path = adapter / adapters.ROWS
    return path.read_text(encoding="utf-8").split() if path.is_file() else list(dataset.rows)


def _wait_for_room(loop: Loop, scratch: Path) -> None:
    """Wait until the disk can hold it; what an earlier life of the same training wrote is there already."""
    training = loop.config.training
    needed = disk.of_training(loop.base.path, training.rank, full=training.fine_tune == "full")
    written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    room.wait(loop, needed - written)


def _job(loop: Loop, rnd: Round, champion: Policy, from_to: tuple[Dataset, Path]) -> Job:
    dataset, scratch = from_to
    rows, spoiled = scratch / "rows.jsonl", _Spoiled()
    with rows.open("w", encoding="utf-8") as file:
        for row in rows_of(champion, loop.store.datasets.rows(dataset.id, spoiled.add)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    spoiled.tell(loop, rnd)
    recipe = loop.config.training.model_dump(include=set(Recipe.model_fields)) | {"take": _take(loop)}
    return Job(
        **recipe,
        base=loop.base.path,
        template=champion.template,
        rows=rows,
        scratch=scratch,
        out=scratch / "adapter",
        seed=rnd.seed,
    )


def _take(loop: Loop) -> int | None:
    """Say on how many rows to train: more with every training, where the settings ask for it."""
    take, ramp = loop.config.training.take, loop.config.training.ramp
    if take is None or ramp is None:
        return take
    before = {policy.adapter for policy, _ in loop.store.policies.all() if policy.adapter}
    return min(take, ramp * (len(before) + 1))


def rows_of(policy: Policy, accepted: Iterator[Accepted]) -> Iterator[dict[str, JsonValue]]:
    """Spell rows as the trainer reads them, under the system prompt of the policy that is trained."""
    system = Message(role="system", content=policy.system)
    for item in accepted:
        said = [message for message in item.trajectory.messages if message.role != "system"]
        yield {
            "id": item.id,
            "messages": [message.model_dump(mode="json") for message in (system, *said)],
            "catalogue": item.trajectory.catalogue.model_dump(mode="json"),
        }


def _train(loop: Loop, rnd: Round, job: Job) -> FitResult:
    """Run the job to its end; a trainer that dies goes on from its checkpoint as long as that gets it further.

    One that ran out of memory goes on with half the tokens at once, which happens a few times at most; one that gave
    its memory back goes on when the loop's window opens.
    """
    furthest = -1
    while True:
        window.wait(loop)
        try:
            with loop.time.work():
                return _attempt(loop, rnd, job)
        except _Halted:
            log.info("training_halted", step=loop.board.now.done)
        except _Starved as starved:
            job = _smaller(starved.job, starved.error)
            _tell_smaller(loop, rnd, job, starved.error)
        except ProviderError as error:
            log.warning("trainer_lost", message=str(error), step=loop.board.now.done)
            if loop.board.now.done <= furthest:
                raise
            furthest = loop.board.now.done


class _Halted(Exception):
    """A trainer waits for the loop's window."""


class _Starved(Exception):
    """A trainer ran out of memory; `job` says with how many tokens at once, which may be fewer than were asked for."""

    def __init__(self, job: Job, error: OutOfMemory) -> None:
        super().__init__(str(error))
        self.job, self.error = job, error


def _smaller(job: Job, error: OutOfMemory) -> Job:
    """Halve the micro-batch; where it is small already, keep less of it; then give up."""
    if job.batch_tokens // 2 >= LEAST:
        return job.model_copy(update={"batch_tokens": job.batch_tokens // 2})
    if not job.gradient_checkpointing:
        return job.model_copy(update={"gradient_checkpointing": True})
    raise error


def _tell_smaller(loop: Loop, rnd: Round, job: Job, error: OutOfMemory) -> None:
    sizes = job.model_dump(mode="json", include={"batch_tokens", "gradient_checkpointing"})
    log.warning("trainer_out_of_memory", message=str(error), step=loop.board.now.done, **sizes)
    loop.store.events.record("training.out_of_memory", round=rnd.id, step=loop.board.now.done, **sizes)


def _attempt(loop: Loop, rnd: Round, job: Job) -> FitResult:
    spared = job.batch_tokens != loop.config.training.batch_tokens
    doing = f"training, only {job.batch_tokens} tokens at once" if spared else "training"
    loop.board.step(doing, total=0, unit="steps")
    try:
        for line in loop.stop.each(loop.gpu.training(job)):
            match line:
                case Began():
                    _tell_engine(loop, rnd, line)
                    job = job.model_copy(update={"batch_tokens": line.batch_tokens})
                case Stepped():
                    if not loop.board.now.total:  # steps from before a restart are no speed of this one
                        loop.board.step(doing, line.steps, line.step - 1, unit="steps")
                    _tell(loop, rnd, line)
                case FitResult():
                    return line
                case Halted():
                    raise _Halted
    except OutOfMemory as error:
        raise _Starved(job, error) from error
    raise AssertionError("the trainer ends with `FitResult`, or raises")


def _tell_engine(loop: Loop, rnd: Round, line: Began) -> None:
    """Say how it computes; one that had to fall back to plain batches is slower, and somebody should know."""
    log.info("training_begins", **line.model_dump(mode="json", exclude={"says"}))
    loop.board.update(foreseen_gb=line.foreseen_gb)
    if line.engine == PLAIN:
        log.warning("training_without_shared_prefixes", message=line.why)
        loop.store.events.record("training.plain_batches", round=rnd.id, why=line.why)


def _tell(loop: Loop, rnd: Round, line: Stepped) -> None:
    losses = (*loop.board.now.losses, line.loss)[-400:]
    loop.board.update(done=line.step, total=line.steps, loss=line.loss, losses=losses, peak_gb=line.peak_gb)
    figures = line.model_dump(mode="json", exclude={"says"}, exclude_none=True)
    loop.store.training.record(rnd, TrainingStep.model_validate(figures))
    log.info("train_step", **figures)
