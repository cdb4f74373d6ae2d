"""Checkpoints of a training: adapter, optimizer state and step, adopted only whole.

Each is a directory of its own, written beside its place and renamed; its manifest names the job and every file's
sha256. What does not verify is passed over, so a torn checkpoint costs steps and never the training.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from loop.canonical import NotJson, parse
from loop.runtime.durable import move_into_place, sha256
from loop.training.masks import Losses
from loop.training.watch import EarlyStopping
from loop.types import Record
from loop.weights.adapters import MANIFEST

ADAPTER: Final = "adapter.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"
PREFIX: Final = "step-"
KEPT: Final = 2


class Reached(Record):
    """Where a training is: what a checkpoint holds beside weights and optimizer."""

    step: int = 0
    """Steps taken."""
    watch: EarlyStopping = EarlyStopping()
    told: tuple[Losses, ...] = ()
    """Per step, what its rows lost; where rows are chosen by it, otherwise empty."""


def save(scratch: Path, job: str, reached: Reached, model: Any, optimizer: Any) -> None:  # noqa: ANN401 - mlx-lm's objects
    """Write a checkpoint and remove the older ones but one, and but the best."""
    building = scratch / f".{PREFIX}building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    mx.save_safetensors(str(building / ADAPTER), dict(tree_flatten(model.trainable_parameters())))
    mx.save_safetensors(str(building / OPTIMIZER), dict(tree_flatten(optimizer.state)))
    files = {name: sha256(building / name) for name in (ADAPTER, OPTIMIZER)}
    manifest = {"job": job, "files": files, "reached": reached.model_dump(mode="json")}
    (building / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    target = _place(scratch, reached.step)
    shutil.rmtree(target, ignore_errors=True)
    move_into_place(building, target)
    for old in {*_all(scratch)[:-KEPT]} - {_place(scratch, reached.watch.step)}:
        shutil.rmtree(old, ignore_errors=True)


def restore(scratch: Path, job: str, model: Any, optimizer: Any) -> Reached:  # noqa: ANN401 - as above
    """Go back to the newest sound checkpoint of this job and say where that is; step 0 where there is none.

    What is newer is removed, torn or of other settings: it would outlive the checkpoints that are to come.
    """
    for path in reversed(_all(scratch)):
        reached = _sound(path, job)
        if reached is not None:
            model.load_weights(str(path / ADAPTER), strict=False)
            state: Any = mx.load(str(path / OPTIMIZER))
            optimizer.state = tree_unflatten(list(state.items()))
            mx.eval(model.trainable_parameters(), optimizer.state)
            return reached
        shutil.rmtree(path, ignore_errors=True)
    return Reached()


def adopt(scratch: Path, job: str, step: int, model: Any) -> bool:  # noqa: ANN401 - as above
    """Give the model the weights of one step, if its checkpoint is sound; whether it was."""
    path = _place(scratch, step)
    if _sound(path, job) is None:
        return False
    model.load_weights(str(path / ADAPTER), strict=False)
    mx.eval(model.trainable_parameters())
    return True


def _place(scratch: Path, step: int) -> Path:
    return scratch / f"{PREFIX}{step:06d}"


def _all(scratch: Path) -> list[Path]:
    return sorted(scratch.glob(f"{PREFIX}*"))


def _sound(path: Path, job: str) -> Reached | None:
    try:
        manifest = parse((path / MANIFEST).read_bytes())
        assert isinstance(manifest, dict)
        files = {name: sha256(path / name) for name in (ADAPTER, OPTIMIZER)}
        reached = Reached.model_validate(manifest["reached"])
        return reached if (manifest["job"], manifest["files"]) == (job, files) else None
    except (OSError, NotJson, KeyError, ValueError, AssertionError):
        return None
