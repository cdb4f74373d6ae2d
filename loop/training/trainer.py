"""Fit an adapter: `python -m loop.training.trainer JOB.json`, the child process in which the daemon trains.

Prints one JSON line a step and a last one with `"done": true`. Ends when stdin does (the daemon is gone) or at
SIGTERM; started again on the same scratch directory it goes on from the last sound checkpoint, and what it writes in
the end is what an undisturbed run writes.
"""

import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
from pydantic import JsonValue

from loop.children import exit_with_parent
from loop.errors import ConfigError, LoopdError
from loop.registry import inspect
from loop.student.loading import load
from loop.student.memory import keep_freed
from loop.student.render import Renderer
from loop.student.sources import directory_digest
from loop.training import checkpoint, lora
from loop.training.job import Job, read_examples, read_job
from loop.training.lanes import Lanes, one_arena
from loop.training.masks import Refused, Row, row
from loop.training.memory import available, budget
from loop.training.prefix_tree import pack
from loop.training.schedule import split, steps
from loop.training.shared_prefix import stand_in

Tell = Callable[[dict[str, JsonValue]], None]


def train(job: Job, tell: Tell) -> None:
    """Run the job to its end.

    Raises:
        ConfigError: the base model, the template or the rows cannot be used.
    """
    rows, refused = read_rows(job)
    plan = steps(rows, job.epochs, job.batch_rows, job.run, job.seed)
    tell({"rows": len(rows), "refused": dict(refused), "steps": len(plan)})
    model = load(job.base)
    lora.attach(model, job)
    optimizer = optim.AdamW(learning_rate=job.learning_rate)
    optimizer.init(model.trainable_parameters())
    for line in fit(job, model, optimizer, plan):
        tell(line)
    lora.save(model, job)
    manifest = inspect(job.out, directory_digest(job.base))
    tell({"done": True, "adapter": str(job.out), "tensors": len(next(iter(manifest.tensors.values())))})


def read_rows(job: Job) -> tuple[list[Row], Counter[str]]:
    """Render the job's examples; those that make no row are counted by reason.

    Raises:
        ConfigError: none makes a row.
    """
    renderer = Renderer.load(job.base, job.template)
    rows: list[Row] = []
    refused: Counter[str] = Counter()
    for example in read_examples(job.rows):
        try:
            rows.append(
                row(example.id, renderer.spans(example.messages, example.catalogue), job.max_tokens, example.group)
            )
        except Refused as reason:
            refused[str(reason)] += 1
    if not rows:
        raise ConfigError(f"{job.rows} holds no row to train on (refused: {dict(refused)}).")
    return rows, refused


def fit(job: Job, model: Any, optimizer: Any, plan: Sequence[Sequence[Row]]) -> Iterator[dict[str, JsonValue]]:  # noqa: ANN401 - mlx-lm's objects
    """Take the optimizer steps that are still owed; tell about each."""
    recompute = job.gradient_checkpointing
    lanes, identity = Lanes(job.lanes, recompute=recompute), job.digest
    at_once = budget(model, job.batch_tokens, lanes.count, available(), recompute=recompute)
    first = checkpoint.restore(job.scratch, identity, model, optimizer)
    begun, tokens = time.monotonic(), 0
    with stand_in(model, recompute=recompute):
        for done, members in enumerate(plan[first:], first + 1):
            optimizer.learning_rate = learning_rate(job, done, len(plan))
            loss = _step(at_once, lanes, model, optimizer, members)
            tokens += sum(len(row.tokens) for row in members)
            if done % job.save_every == 0 and done < len(plan):
                checkpoint.save(job.scratch, identity, done, model, optimizer)
            yield _progress(done, len(plan), loss, tokens, begun, done - first)


def _step(budget: int, lanes: Lanes, model: Any, optimizer: Any, members: Sequence[Row]) -> float:  # noqa: ANN401 - as above
    total = sum(row.weight for row in members)
    parts = [pack(part, total) for part in split(members, lanes.count, budget)]
    loss, gradient = lanes.gradient(model, parts)
    optimizer.update(model, gradient)
    mx.eval(model.trainable_parameters(), optimizer.state)
    value: Any = loss.item()
    return float(value)


def learning_rate(job: Job, step: int, count: int) -> float:
    """Climb linearly, then fall as a cosine to a tenth, or stay. Steps count from one."""
    climb = max(1, round(job.warmup * count))
    if step <= climb:
        return job.learning_rate * step / climb
    if job.schedule == "constant":
        return job.learning_rate
    along = (step - climb) / max(1, count - climb)
    return job.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * along)))


def _progress(done: int, count: int, loss: float, tokens: int, begun: float, taken: int) -> dict[str, JsonValue]:  # noqa: PLR0913 - the line's figures
    seconds = time.monotonic() - begun
    return {
        "step": done,
        "steps": count,
        "loss": round(loss, 6),
        "tokens_per_second": round(tokens / seconds, 1),
        "seconds_left": round(seconds / taken * (count - done), 1),
        "peak_gb": round(mx.get_peak_memory() / 1e9, 3),
    }


def _print(line: dict[str, JsonValue]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Train what the job file says."""
    exit_with_parent()
    keep_freed()
    one_arena()
    try:
        train(read_job(Path(sys.argv[1])), _print)
    except LoopdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the thread that waits for the daemon's end holds stdin, and a plain exit would stumble over it
