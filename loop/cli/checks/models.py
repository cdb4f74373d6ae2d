"""Checks of the models: the base model, the champion's adapter, and whether there is room to train."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from loop.cli import access
from loop.cli.checks.found import Check, CheckResult, judged
from loop.errors import LoopdError
from loop.runtime import disk, paths
from loop.weights import adapters, sources

OVERHEAD: Final = 2.5
"""A training's memory over the weights of its base model: gradients of an adapter, activations, the system."""


def student() -> Iterator[CheckResult]:
    """The base model is there, sound, and its template goes with it."""
    settings, home = access.settings(), paths.find()
    source = settings.student.source
    sources.check_name(source)
    if not _here(source, home):
        detail = f"{source} is not here yet; loopd start fetches it"
        yield CheckResult(check="student", state="ok", detail=detail)
        return
    path = sources.find(source, home.create().models, settings.student.template)
    yield CheckResult(check="student", state="ok", detail=f"{source} in {path}")
    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    total = psutil.virtual_memory().total
    fix = "Take a smaller or a quantized model as student.source."
    detail = f"{size / 2**30:.1f} GiB of weights, {total / 2**30:.0f} GiB of memory"
    yield judged("model's memory", size * OVERHEAD < total, detail, fix)
    training = settings.training
    needed = disk.of_training(path, training.rank, full=training.fine_tune == "full")
    try:
        disk.check(home.data, needed)
    except LoopdError as error:
        yield CheckResult(check="training's room", state="fail", detail=str(error), fix="Free some space on that disk.")
    else:
        yield CheckResult(check="training's room", state="ok", detail=f"up to {needed / 2**20:.0f} MiB at a training")


def champion() -> Iterator[CheckResult]:
    """The champion's adapter is what it was when it was promoted."""
    home = paths.find()
    try:
        with access.reading() as ask:
            rows = ask("select id, adapter from policy where standing = 'champion'").rows
    except LoopdError:
        rows = []
    adapter = str(rows[0][1] or "") if rows else ""
    if not adapter:
        yield CheckResult(check="champion", state="ok", detail="the stock model" if rows else "none yet")
        return
    try:
        adapters.verify(home.models / adapter)
    except LoopdError as error:
        fix = "Restore that directory, or go back to the one before: loopd model rollback"
        yield CheckResult(check="champion", state="fail", detail=str(error), fix=fix)
    else:
        yield CheckResult(check="champion", state="ok", detail=f"{str(rows[0][0])[:12]}, its adapter is unchanged")


def _here(source: str, home: paths.Paths) -> bool:
    """Whether nothing has to be fetched for it."""
    if source in ("embedded", "tiny") or Path(source).expanduser().exists():
        return True
    return any(home.models.glob(f"*{source.rpartition('@')[2]}*")) if home.models.is_dir() else False


CHECKS: Final[tuple[Check, ...]] = (student, champion)
