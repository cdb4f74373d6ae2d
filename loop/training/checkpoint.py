"""Checkpoints of a training: adapter, optimizer state and step, adopted only whole.

Each is a directory of its own, written beside its place and renamed; its manifest names the job and every file's
sha256. What does not verify is passed over, so a torn checkpoint costs steps and never the training.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from loop.canonical import NotJson, parse
from loop.registry import MANIFEST, sync

ADAPTER: Final = "adapter.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"
PREFIX: Final = "step-"
KEPT: Final = 2


def save(scratch: Path, job: str, step: int, model: Any, optimizer: Any) -> None:  # noqa: ANN401 - mlx-lm's objects
    """Write the checkpoint after `step` steps and remove the older ones but one."""
    building = scratch / f".{PREFIX}building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    mx.save_safetensors(str(building / ADAPTER), dict(tree_flatten(model.trainable_parameters())))
    mx.save_safetensors(str(building / OPTIMIZER), dict(tree_flatten(optimizer.state)))
    files = {name: _sha256(building / name) for name in (ADAPTER, OPTIMIZER)}
    (building / MANIFEST).write_text(json.dumps({"job": job, "step": step, "files": files}), encoding="utf-8")
    for path in (*sorted(building.iterdir()), building):
        sync(path)
    target = scratch / f"{PREFIX}{step:06d}"
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    sync(scratch)
    for old in _all(scratch)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def restore(scratch: Path, job: str, model: Any, optimizer: Any) -> int:  # noqa: ANN401 - as above
    """Go back to the newest sound checkpoint of this job; give its step, 0 where there is none."""
    for path in reversed(_all(scratch)):
        step = _sound(path, job)
        if step is not None:
            model.load_weights(str(path / ADAPTER), strict=False)
            state: Any = mx.load(str(path / OPTIMIZER))
            optimizer.state = tree_unflatten(list(state.items()))
            mx.eval(model.trainable_parameters(), optimizer.state)
            return step
    return 0


def _all(scratch: Path) -> list[Path]:
    return sorted(scratch.glob(f"{PREFIX}*"))


def _sound(path: Path, job: str) -> int | None:
    try:
        manifest = parse((path / MANIFEST).read_bytes())
        assert isinstance(manifest, dict)
        files = {name: _sha256(path / name) for name in (ADAPTER, OPTIMIZER)}
        return int(str(manifest["step"])) if (manifest["job"], manifest["files"]) == (job, files) else None
    except (OSError, NotJson, KeyError, ValueError, AssertionError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
