"""Fit an adapter: `python -m loop.training.trainer JOB.json`, the child process in which the daemon trains.

Prints the lines of `loop.types.jobs.TrainerLine`, one a step. Ends when stdin does (the daemon is gone) or at
SIGTERM; started again on the same scratch directory it goes on from the last sound checkpoint, and what it writes in
the end is what an undisturbed run writes.
"""

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
from mlx.utils import tree_map

from loop.compute.cpu.denormals import flush_denormals
from loop.compute.cpu.glibc import keep_freed, one_arena
from loop.compute.memory import bound_cache
from loop.errors import ConfigError, LoopdError
from loop.runtime.child import exit_with_parent
from loop.runtime.gpu_turn import Closed, GpuTurn
from loop.templates.render import Renderer
from loop.training import checkpoint, lora
from loop.training.checkpoint import Reached
from loop.training.distributed import Ranks
from loop.training.engine import TrainingEngine
from loop.training.job import identity, read_examples, read_job
from loop.training.masks import RowRefused, TrainingRow, learned, row
from loop.training.needs import Sought, turns_of
from loop.training.schedule import Dealt, RowSchedule, apart, steps
from loop.training.watch import EarlyStopping
from loop.types.jobs import Began, FitResult, Halted, Job, Stepped, TrainerLine
from loop.weights.adapters import ROWS, inspect
from loop.weights.loading import load
from loop.weights.sources import directory_digest

Tell = Callable[[TrainerLine], None]


def train(job: Job, tell: Tell, turn: GpuTurn | None = None) -> None:
    """Run the job to its end; `turn` says when it may compute.

    Raises:
        Closed: the loop's window stays closed; what was reached is kept.
        ConfigError: the base model, the template or the rows cannot be used.
    """
    rows, refused = read_rows(job)
    learned, heldout = apart(rows, job.heldout, job.seed)
    course = _course(job, learned)
    turn = turn or GpuTurn(None)
    turn.acquire()
    model = load(job.base)
    lora.attach(model, job)
    engine = TrainingEngine(model, job, turn)
    ranks = _ranks(job)
    tell(
        Began(
            rows=len(rows),
            heldout=len(heldout),
            refused=dict(refused),
            steps=course.count,
            ranks=ranks.count,
            engine=engine.name,
            why=engine.why,
            batch_tokens=engine.at_once,
            foreseen_gb=None if engine.foreseen is None else round(engine.foreseen / 1e9, 3),
        )
    )
    optimizer = optim.AdamW(learning_rate=job.learning_rate)
    optimizer.init(model.trainable_parameters())
    fitting = TrainingLoop(job, engine, optimizer, course, heldout, ranks)
    for line in fitting.run():
        tell(line)
    step = fitting.choose()
    if ranks.rank == 0:
        lora.save(model, job)
        _save_taken(course.taken or [row.id for row in learned], job)
        manifest = inspect(job.out, directory_digest(job.base))
        count = len(next(iter(manifest.tensors.values())))
        tell(FitResult(adapter=job.out, tensors=count, step=step))


def read_rows(job: Job) -> tuple[list[TrainingRow], Counter[str]]:
    """Render the job's examples; those that make no row are counted by reason.

    Raises:
        ConfigError: none makes a row.
    """
    renderer = Renderer.load(job.base, job.template)
    rows: list[TrainingRow] = []
    refused: Counter[str] = Counter()
    for example in read_examples(job.rows):
        try:
            spans = [*renderer.spans(example.messages, example.catalogue)]
            made = row(example.id, spans, job.max_tokens, example.group, job.weigh)
            rows.append(replace(made, turns=turns_of(example, spans)) if job.take else made)
        except RowRefused as reason:
            refused[str(reason)] += 1
    if not rows:
        raise ConfigError(f"{job.rows} holds no row to train on (refused: {dict(refused)}).")
    return rows, refused


def _course(job: Job, rows: Sequence[TrainingRow]) -> RowSchedule:
    if job.take is None:
        return Dealt(steps(rows, job.epochs, job.batch_rows, job.run, job.seed))
    return Sought(rows, job.take, job.batch_rows, job.climb, job.seed)


def _save_taken(names: Sequence[str], job: Job) -> None:
    """Say which rows the adapter saw, in order: some are too long, kept apart, or not chosen."""
    (job.out / ROWS).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _ranks(job: Job) -> Ranks:
    ranks = Ranks()
    if ranks.count > 1 and job.take is not None:
        raise ConfigError("Several machines cannot choose rows as they train. Leave training.take out of the job.")
    return ranks


class TrainingLoop:
    """One training under way: the steps that are still owed, and what is measured on the way."""

    def __init__(  # noqa: PLR0913 - all that a training is
        self,
        job: Job,
        engine: TrainingEngine,
        optimizer: Any,  # noqa: ANN401 - mlx's own
        course: RowSchedule,
        heldout: Sequence[TrainingRow],
        ranks: Ranks,
    ) -> None:
        self.job, self.engine, self.model, self.optimizer = job, engine, engine.model, optimizer
        self.course, self.heldout = course, heldout
        self.ranks, self.identity = ranks, identity(job)
        self.reached = self._restore()
        course.again(self.reached.told)

    def run(self) -> Iterator[Stepped]:
        """Take the optimizer steps that are still owed, until they are taken or stopping early is due."""
        first, count, begun, tokens = self.reached.step, self.course.count, time.monotonic(), 0
        with self.engine.open():
            for number in range(first, count):
                if self.reached.watch.misses >= self.job.patience:
                    return
                members, rate = self.course.step(number), learning_rate(self.job, number + 1, count)
                loss = self._step_or_halt(members, rate)
                tokens += sum(len(row.tokens) for row in members)
                heldout_loss, seconds = self._measure(), time.monotonic() - begun
                yield Stepped(
                    step=number + 1,
                    steps=count,
                    loss=round(loss, 6),
                    heldout_loss=heldout_loss,
                    learning_rate=round(rate, 9),
                    tokens_per_second=round(tokens / seconds, 1),
                    seconds_left=round(seconds / (number + 1 - first) * (count - number - 1), 1),
                    peak_gb=round(mx.get_peak_memory() / 1e9, 3),
                    batch_tokens=self.engine.at_once,
                )

    def choose(self) -> int:
        """Give the model the weights of the step with the lowest held-out loss, where that was measured; its step."""
        best, last = self.reached.watch.step, self.reached.step
        if best in {0, last}:
            return last
        return best if checkpoint.adopt(self.job.scratch, self.identity, best, self.model) else last

    def _step_or_halt(self, members: Sequence[TrainingRow], rate: float) -> float:
        """Take a step; where the loop's window stays closed, keep what is reached before the process ends."""
        try:
            return self._step(members, rate)
        except Closed:
            if self.ranks.rank == 0:
                checkpoint.save(self.job.scratch, self.identity, self.reached, self.model, self.optimizer)
            raise

    def _step(self, members: Sequence[TrainingRow], rate: float) -> float:
        self.optimizer.learning_rate = rate
        mine = self.ranks.share(members)
        loss, gradient = self.engine.gradient(mine, learned(members)) if mine else self._nothing()
        loss, gradient = self.ranks.sum(loss, gradient)
        self.optimizer.update(self.model, gradient)
        mx.eval(self.model.trainable_parameters(), self.optimizer.state)
        value: Any = loss.item()
        step = self.reached.step + 1
        if not math.isfinite(value):
            raise ConfigError(
                f"Training diverged: the loss of step {step} is {value}. "
                f"Lower training.learning_rate (it is {self.job.learning_rate:g}), then type: loopd start"
            )
        self.course.learn(self.engine.told)
        self.reached = self.reached.model_copy(update={"step": step, "told": tuple(self.course.told)})
        return float(value)

    def _nothing(self) -> tuple[mx.array, Any]:
        """Stand for a rank without rows."""
        return mx.array(0.0), tree_map(mx.zeros_like, self.model.trainable_parameters())

    def _measure(self) -> float | None:
        """Measure the held-out loss and keep a checkpoint, where they are due."""
        step = self.reached.step
        last, due = step == self.course.count, step % self.job.save_every == 0
        loss = None
        if self.heldout and (due or last):
            loss = round(self.ranks.agreed(self.engine.loss(self.heldout)), 6)
            self.reached = self.reached.model_copy(update={"watch": self.reached.watch.seen(step, loss)})
        if self.ranks.rank == 0 and ((due and not last) or loss is not None):
            checkpoint.save(self.job.scratch, self.identity, self.reached, self.model, self.optimizer)
        return loss

    def _restore(self) -> Reached:
        """Go on where rank 0 was."""
        reached = Reached()
        if self.ranks.rank == 0:
            reached = checkpoint.restore(self.job.scratch, self.identity, self.model, self.optimizer)
        if self.ranks.count == 1:
            return reached
        watch = reached.watch
        state = self.ranks.first(
            {
                "model": self.model.trainable_parameters(),
                "optimizer": self.optimizer.state,
                "numbers": mx.array([reached.step, watch.step, watch.misses]),
                "loss": mx.array(math.inf if watch.loss is None else watch.loss),
            }
        )
        self.model.update(state["model"])
        self.optimizer.state = state["optimizer"]
        mx.eval(state)
        (done, step, misses), loss = state["numbers"].tolist(), state["loss"].item()
        return Reached(
            step=done, watch=EarlyStopping(step=step, misses=misses, loss=None if loss == math.inf else loss)
        )


def learning_rate(job: Job, step: int, count: int) -> float:
    """Climb linearly, then fall as a cosine to a tenth, or stay. Steps count from one."""
    climb = job.climb(count)
    if step <= climb:
        return job.learning_rate * step / climb
    if job.schedule == "constant":
        return job.learning_rate
    along = (step - climb) / max(1, count - climb)
    return job.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * along)))


def _print(line: TrainerLine) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


def _nobody(line: TrainerLine) -> None:
    """Ranks beside the first have nothing to tell."""


def main() -> int:
    """Train what the job file says."""
    if "MLX_RANK" not in os.environ:  # mlx.launch gives its ranks no stdin that lasts
        exit_with_parent()
    flush_denormals()
    keep_freed()
    one_arena()
    bound_cache()
    try:
        tell = _print if os.environ.get("MLX_RANK", "0") == "0" else _nobody
        train(read_job(Path(sys.argv[1])), tell, GpuTurn.given(os.environ, halts=True))
    except Closed:
        tell(Halted())
    except LoopdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the thread that waits for the daemon's end holds stdin, and a plain exit would stumble over it
