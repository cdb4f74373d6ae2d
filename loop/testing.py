"""Shipped fakes for fast rounds: a student that learns at once, a GPU that trains in no time, a store that kills.

They stand beside the real parts and fulfil the same contracts; nothing in them is random.
"""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from safetensors.numpy import save_file

from loop.canonical import digest
from loop.runtime.gpu import Ready
from loop.store import Database, Store, db
from loop.types import Catalogue, Chat, Message, Record, Reply, Task
from loop.types.jobs import Distance, FitResult, Job, MeasurementResult, Meter, MeterLine, Stepped, TrainerLine
from loop.weights.adapters import ROWS
from teachers.scripted import Scripted

__all__ = ["Apprentice"]

STOCK = "stock"


class Mute(Record):
    """Closes every turn without a call."""

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Say that it cannot."""
        del messages, catalogue
        return Reply(message=Message(role="assistant", content="I cannot do that."))


@dataclass(frozen=True)
class AttentiveStudent:
    """Plays well where the system prompt asks for it, and closes every turn otherwise."""

    heeds: str
    able: Chat

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Look at the first message."""
        asked = messages[0].role == "system" and self.heeds in messages[0].content
        return (self.able if asked else Mute()).reply(messages, catalogue)


class Apprentice(Record):
    """A student that fails everything at first and, once trained or well asked, all but a fixed share of the tasks."""

    name: str = "student"
    url: str = STOCK
    """What the fake GPU serves: `stock`, or the adapter's directory."""
    token_file: str = ""
    policy: str = ""
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 16
    constrained: bool = False
    """Taken and not needed: what it calls was planned with the tools at hand."""
    misses: int = 1000
    """It fails one task in so many even when trained."""
    heeds: str = "plan the whole sequence"
    """What a system prompt must say to make it able without training."""

    def open(self, task: Task, seed: int) -> Chat:
        """Play the plan where this policy can do the task, otherwise nothing."""
        if not int(digest([task.id])[:8], 16) % self.misses:
            return Mute()
        scripted = Scripted().open(task, seed)
        return scripted if self.url != STOCK else AttentiveStudent(heeds=self.heeds, able=scripted)


class FakeServed:
    """A served student that never dies."""

    alive = True
    token_file = Path("/dev/null")
    ready = Ready(port=0, device="paper", dtype="no number", engine="fake")

    def __init__(self, url: str) -> None:
        self.url = url

    def check(self) -> None:
        """Find it alive."""


class FakeGpu:
    """Serves and trains without a model: the adapter is a small tensor that depends on the rows."""

    distance = 0.1
    """Of every play to the base, in nats a token."""

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    @contextmanager
    def serving(self, base: str | Path, *, adapter: str | Path | None = None, **_: object) -> Iterator[FakeServed]:
        """Serve the adapter, or the stock model."""
        del base
        yield FakeServed(STOCK if adapter is None else str(adapter))

    def measuring(self, job: Meter) -> Iterator[MeterLine]:
        """Find every play a tenth of a nat away."""
        for line in job.rows.read_text(encoding="utf-8").splitlines():
            yield Distance(id=json.loads(line)["id"], kl=self.distance, tokens=1)
        yield MeasurementResult()

    def training(self, job: Job) -> Iterator[TrainerLine]:
        """Write an adapter that is a function of the rows; tell about it as the trainer does."""
        rows, out = job.rows.read_text(encoding="utf-8"), job.out
        out.mkdir(exist_ok=True)
        seed = int(digest(rows)[:8], 16)
        weights = np.random.default_rng(seed).standard_normal((4, 4), dtype=np.float32)
        save_file({"model.layers.0.self_attn.q_proj.lora_a": weights}, out / "adapters.safetensors")
        settings = {"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": {"rank": 4, "scale": 2.0}}
        (out / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
        names = [json.loads(line)["id"] for line in rows.splitlines()]
        (out / ROWS).write_text("".join(f"{name}\n" for name in names[: job.take]), encoding="utf-8")
        for step in range(1, 4):
            yield Stepped(step=step, steps=3, loss=1.0 / step, tokens_per_second=1e6, seconds_left=0.0)
        yield FitResult(adapter=out, tensors=1, step=3)


class KillingDatabase(Database):
    """Kills its process at one commit: `before` it, or `after` it. Commits are counted from one."""

    at = 0
    moment = "before"
    commits = 0

    @contextmanager
    def write(self) -> Iterator[Any]:
        """One transaction, and the kill where it is due."""
        with super().write() as connection:
            yield connection
            self._count("before")
        self._count("after")

    def _count(self, moment: str) -> None:
        self.commits += moment == "before"
        if self.commits == self.at and moment == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


def killing(url: str, at: int, moment: str) -> Store:
    """Open a store that kills its process at one commit."""
    db.upgrade(url)
    database = KillingDatabase(db.engine(url), db.engine(url, write=False))
    database.at, database.moment = at, moment
    return Store(database)
