"""`loopd doctor`: is everything in place? Each check says what was found and, where it is not right, what to type."""

import platform
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import typer
from rich.text import Text

from loop import config, plugins
from loop.cli.access import Json, show
from loop.cli.terminal import Terminal
from loop.errors import CheckNegative, LoopdError
from loop.runtime import gpu, lock, paths, query
from loop.runtime.child import scrubbed
from loop.types import Record
from teachers.base.teacher import Teacher

FIXED_SQLITE: Final = (3, 51, 3)
"""Before it, two writers and a checkpoint could corrupt a WAL file; loopd has one writer, which avoids it."""
ROOM: Final = 5 * 2**30
PROBE: Final = """
import time, mlx.core as mx
a = mx.random.normal((1024, 1024)); mx.eval(a @ a)
t = time.perf_counter(); mx.eval(a @ a); s = time.perf_counter() - t
print(mx.default_device(), round(2 * 1024**3 / s / 1e9), mx.__version__)
"""
COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


app = typer.Typer(add_completion=False)

State = Literal["ok", "warn", "fail"]


class Found(Record):
    """What one check found."""

    check: str
    state: State
    detail: str
    fix: str = ""


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Examine this machine, this data and the configured teachers; nothing leaves the machine."""
    found = []
    for check in CHECKS:
        for each in _guarded(check):
            found.append(each)
            if not as_json:
                _print(each)
    if as_json:
        show([each.model_dump() for each in found], as_json=True)
    if any(each.state == "fail" for each in found):
        raise CheckNegative("Some checks failed; the lines above say what to do.")


def _print(found: Found) -> None:
    mark = Text.assemble((f"{found.state:>4}", COLOURS[found.state]), f"  {found.check}: {found.detail}")
    if found.fix:
        mark.append(f"\n      {found.fix}", style="bold")
    Terminal().print(mark, soft_wrap=True)


def _guarded(check: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    try:
        yield from check()
    except (LoopdError, OSError, subprocess.SubprocessError) as error:
        yield Found(check=check.__name__.strip("_"), state="fail", detail=str(error))


def _python() -> Iterator[Found]:
    native = not (sys.platform == "darwin" and platform.machine() != "arm64")
    yield Found(
        check="python",
        state="ok" if native else "fail",
        detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        fix="" if native else "This Python runs under Rosetta; install an arm64 one and delete .venv.",
    )


def _configuration() -> Iterator[Found]:
    settings = config.load(paths.find(), None, {}, config.environment())
    yield Found(check="configuration", state="ok", detail=f"profile {settings.profile}, digest {settings.digest[:12]}")


def _directories() -> Iterator[Found]:
    places = paths.find()
    free = shutil.disk_usage(next(each for each in (places.data, *places.data.parents) if each.exists())).free
    roomy = free > ROOM
    fix = "" if roomy else "Free some space, or set LOOPD_HOME to a larger disk."
    yield Found(check="disk", state="ok" if roomy else "warn", detail=f"{free / 2**30:.0f} GiB free", fix=fix)
    cloud = "Mobile Documents" in str(places.data) or "com~apple~CloudDocs" in str(places.data)
    fix = "Set LOOPD_HOME to a directory that nothing synchronises: a database there gets corrupted." if cloud else ""
    yield Found(check="data", state="fail" if cloud else "ok", detail=str(places.data), fix=fix)


def _store() -> Iterator[Found]:
    version = sqlite3.sqlite_version_info
    fix = "" if version >= FIXED_SQLITE else "Keep it to one loopd and readers: no other program may write to the file."
    yield Found(check="sqlite", state="ok" if not fix else "warn", detail=sqlite3.sqlite_version, fix=fix)
    places = paths.find()
    file = places.data / "loopd.db"
    if not file.exists():
        yield Found(check="store", state="ok", detail="none yet; loopd start makes one")
        return
    with query.read_only(places.database) as ask:
        rounds = ask("select count(*) from v_rounds").rows[0][0]
    yield Found(check="store", state="ok", detail=f"{rounds} rounds in {file.stat().st_size / 2**20:.0f} MiB")


def _daemon() -> Iterator[Found]:
    pid = lock.holder(paths.find().data)
    yield Found(check="daemon", state="ok", detail=f"runs (pid {pid})" if pid else "does not run")


def _mlx() -> Iterator[Found]:
    began, settings = time.monotonic(), scrubbed(gpu.preload())
    probe = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=True, env=settings
    )
    device, speed, version = probe.stdout.rsplit(" ", 2)
    slow = sys.platform == "linux" and gpu.find_openblas() is None
    fix = "Install OpenBLAS (Debian: apt-get install libopenblas0-pthread) or set LOOPD_OPENBLAS." if slow else ""
    detail = f"{version.strip()} on {device}, {speed} GFLOP/s just now, loaded in {time.monotonic() - began:.1f} s"
    yield Found(check="mlx", state="warn" if slow else "ok", detail=detail, fix=fix)


def _student() -> Iterator[Found]:
    from loop.weights import sources  # noqa: PLC0415 - loads tokenizers, which no other verb needs

    settings, places = config.load(paths.find(), None, {}, config.environment()), paths.find()
    path: Path = sources.find(settings.student.source, places.create().models, settings.student.template)
    yield Found(check="student", state="ok", detail=f"{settings.student.source} in {path}")


def _teachers() -> Iterator[Found]:
    """Examine what is configured, and the operator's own Codex client wherever there is one."""
    configured = list(config.load(paths.find(), None, {}, config.environment()).teachers)
    if shutil.which("codex") and all(each.use != "codex" for each in configured):
        configured.append(config.Teaching(use="codex"))
    for each in configured:
        teacher: Teacher = plugins.load("teachers", each)
        for finding in teacher.check():
            state: State = "ok" if finding.ok else "fail" if finding.weight == "must" else "warn"
            yield Found(check=f"teacher {teacher.name}: {finding.name}", state=state, detail=finding.detail)


CHECKS: Final = (_python, _configuration, _directories, _store, _daemon, _mlx, _student, _teachers)
