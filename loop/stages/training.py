"""From accepted trajectories to a candidate: choose the rows, train in a child, publish, propose."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from pydantic import JsonValue

from loop.artifacts import cards
from loop.dataset.mix import MixRules, Skill, select
from loop.dataset.shares import shared
from loop.errors import OutOfMemory, ProviderError
from loop.parts import Loop
from loop.runtime import disk
from loop.store.traces import CORRECTION
from loop.types import Accepted, Dataset, Message, Policy, Round, Standing, Suite, TrainingStep
from loop.weights import adapters
from task_generators.suites import suite, twin
from task_generators.suites.leaks import DatasetAudit

log = structlog.get_logger()
LEAST: Final = 256
"""Tokens at once below which a smaller micro-batch saves nothing worth the name."""
PLAIN: Final = "plain"
"""What a trainer calls its engine where it could not share prefixes."""


def choose(loop: Loop, rnd: Round) -> Dataset:
    """Choose this round's training rows from everything accepted so far, without what is like a gate's task."""
    rules, audit = MixRules.model_validate(loop.config.training.mix), DatasetAudit(measured_with(loop))
    rates = {arm.key: arm.rate for arm in loop.store.arms.all()}
    skill = Skill(rates=rates, asked=tuple(loop.store.trajectories.asked(loop.champion.id)))
    dataset = select(
        loop.store.trajectories.accepted(loop.required), rules, seed=rnd.seed, leak=audit.leak, skill=skill
    )
    dataset = _with_outside(loop, dataset, rules.max_rows, rnd.seed, audit)
    counts = {**dataset.counts, "audited_against": audit.tasks}
    dataset = dataset.model_copy(update={"counts": dict(sorted(counts.items()))})
    log.info("dataset_chosen", dataset=dataset.id, size=len(dataset.rows), counts=dict(dataset.counts))
    return dataset


def _with_outside(loop: Loop, dataset: Dataset, most: int, seed: int, audit: DatasetAudit) -> Dataset:
    """Add traces, and what people corrected, in their shares."""
    outside = loop.config.training.outside
    shares = {"traces": (outside.traces, outside.arm), "corrections": (outside.corrections, CORRECTION)}
    for name, (share, arm) in shares.items():
        found = list(loop.store.traces.lessons(arm)) if share else []
        if found:
            dataset = shared(dataset, found, (name, share, most), seed, audit.leak)
    return dataset


def measured_with(loop: Loop) -> list[Suite]:
    """Give the gates' suites and their sealed twins."""
    names = dict.fromkeys(name for gate in loop.gates for name in (gate.suite, twin(gate.suite)) if name)
    return [suite(name) for name in names]


def too_few(dataset: Dataset, needed: int) -> str:
    """Say why no candidate was trained."""
    return f"no candidate: {len(dataset.rows)} accepted rows, training needs {needed}"


def fit(loop: Loop, rnd: Round, dataset: Dataset) -> None:
    """Train on the dataset in a child process, publish the adapter, and only then propose it as the candidate.

    Raises:
        CannotCreate: the disk has no room for what a training of this size writes.
    """
    scratch = loop.paths.scratch / f"round-{rnd.id}-{dataset.id[:16]}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    _has_room(loop, scratch)
    champion = loop.champion  # a rollback may come while this one is trained
    job = _job(loop, rnd, champion, (dataset, scratch))
    done = _train(loop, rnd, job)
    evidence = cards.of_training(dataset, job, champion)
    published = adapters.publish(
        Path(str(done["adapter"])), loop.paths.models, base=loop.base.digest, evidence=evidence
    )
    policy = champion.model_copy(update={"base": loop.base.digest, "adapter": published.id, "parent": champion.id})
    loop.store.policies.add(policy, Standing.CANDIDATE, round=rnd)


def _has_room(loop: Loop, scratch: Path) -> None:
    """Refuse to begin what the disk cannot hold; what an earlier life of the same training wrote is there already."""
    training = loop.config.training
    needed = disk.of_training(loop.base.path, training.rank, full=training.fine_tune == "full")
    written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    disk.check(loop.paths.data, needed - written)


def _job(loop: Loop, rnd: Round, champion: Policy, from_to: tuple[Dataset, Path]) -> dict[str, JsonValue]:
    dataset, scratch = from_to
    rows = scratch / "rows.jsonl"
    with rows.open("w", encoding="utf-8") as file:
        for row in rows_of(champion, loop.store.datasets.rows(dataset.id)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    training = loop.config.training.model_dump(exclude={"min_rows", "mix", "outside"})
    return {
        **training,
        "base": str(loop.base.path),
        "template": champion.template,
        "rows": str(rows),
        "scratch": str(scratch),
        "out": str(scratch / "adapter"),
        "seed": rnd.seed,
    }


def rows_of(policy: Policy, accepted: Iterator[Accepted]) -> Iterator[dict[str, JsonValue]]:
    """Spell rows as the trainer reads them, under the system prompt of the policy that is trained."""
    system = Message(role="system", content=policy.system)
    for each in accepted:
        said = [message for message in each.trajectory.messages if message.role != "system"]
        yield {
            "id": each.id,
            "messages": [message.model_dump(mode="json") for message in (system, *said)],
            "catalogue": each.trajectory.catalogue.model_dump(mode="json"),
        }


def _train(loop: Loop, rnd: Round, job: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Run the job to its end; a trainer that dies goes on from its checkpoint as long as that gets it further.

    One that ran out of memory goes on with half the tokens at once, which happens a few times at most.
    """
    furthest, job = -1, dict(job)
    while True:
        try:
            return _attempt(loop, rnd, job)
        except OutOfMemory as error:
            job = _smaller(job, error)
            _tell_smaller(loop, rnd, job, error)
        except ProviderError as error:
            log.warning("trainer_lost", message=str(error), step=loop.board.now.done)
            if loop.board.now.done <= furthest:
                raise
            furthest = loop.board.now.done


def _smaller(job: dict[str, JsonValue], error: OutOfMemory) -> dict[str, JsonValue]:
    """Halve the micro-batch; where it is small already, keep less of it; then give up."""
    tokens = int(str(job["batch_tokens"])) // 2
    if tokens >= LEAST:
        return {**job, "batch_tokens": tokens}
    if not job["gradient_checkpointing"]:
        return {**job, "gradient_checkpointing": True}
    raise error


def _tell_smaller(loop: Loop, rnd: Round, job: dict[str, JsonValue], error: OutOfMemory) -> None:
    told = {name: job[name] for name in ("batch_tokens", "gradient_checkpointing")}
    log.warning("trainer_out_of_memory", message=str(error), step=loop.board.now.done, **told)
    loop.store.events.record("training.out_of_memory", round=rnd.id, step=loop.board.now.done, **told)


def _attempt(loop: Loop, rnd: Round, job: dict[str, JsonValue]) -> dict[str, JsonValue]:
    doing = "training" if job["batch_tokens"] == loop.config.training.batch_tokens else _doing(job)
    loop.board.step(doing, total=0, unit="steps")
    last: dict[str, JsonValue] = {}
    for last in loop.stop.each(loop.gpu.training(job)):
        if "engine" in last:
            _tell_engine(loop, rnd, last)
        if "loss" in last:
            if not loop.board.now.total:  # steps from before a restart are no speed of this one
                loop.board.step(doing, int(str(last["steps"])), int(str(last["step"])) - 1, unit="steps")
            _tell(loop, rnd, last)
        elif "batch_tokens" in last:  # halved is what was used, which may be less than what was asked for
            job["batch_tokens"] = last["batch_tokens"]
    return last


def _doing(job: dict[str, JsonValue]) -> str:
    return f"training, {job['batch_tokens']} tokens at once for want of memory"


def _tell_engine(loop: Loop, rnd: Round, line: dict[str, JsonValue]) -> None:
    """Say how it computes; one that had to fall back to plain batches is slower, and somebody should know."""
    log.info("training_begins", **line)
    if line["engine"] == PLAIN:
        log.warning("training_without_shared_prefixes", message=line.get("why", ""))
        loop.store.events.record("training.plain_batches", round=rnd.id, why=line.get("why", ""))


def _tell(loop: Loop, rnd: Round, line: dict[str, JsonValue]) -> None:
    loss = float(str(line["loss"]))
    losses = (*loop.board.now.losses, loss)[-400:]
    loop.board.update(done=line["step"], total=line["steps"], loss=loss, losses=losses)
    loop.store.training.record(rnd, TrainingStep.model_validate(line))
    log.info("train_step", **line)
